import { constants } from 'node:os'

type Name = 'SIGINT' | 'SIGTERM' | 'SIGHUP'
const NAMES: Name[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * One Ctrl-C often comes as two signals: the terminal sends it to the whole process group, and npx and the launcher pass
 * on what they got; timeout(1) signals its child and then the group. They follow within a few ms; on a busy machine within
 * some tens. What follows the first one within this time, in ms, is the same.
 */
const TWIN = 150

export interface Interrupt extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** The first signal; null until one comes. */
  received(): Name | null
}

/**
 * Makes the first SIGINT, SIGTERM or SIGHUP an abort, and the second the end of the process, at once.
 * @param onDraining Called when the work has not ended soon after the first signal; whoever reads what it prints may
 *   send the second signal without its being taken for a twin of the first.
 * @param onEnd Called before the process ends by a second signal.
 */
export function listenForInterrupt(onDraining: () => void, onEnd: () => void): Interrupt {
  const abort = new AbortController()
  let first: { name: Name; at: number } | null = null
  let timer: NodeJS.Timeout | undefined

  const onSignal = (name: Name): void => {
    const now = performance.now()
    if (first === null) {
      first = { name, at: now }
      timer = setTimeout(onDraining, TWIN)
      abort.abort()
    } else if (now - first.at >= TWIN) {
      onEnd()
      process.exit(exitCodeOf(name))
    }
  }
  for (const name of NAMES) process.on(name, onSignal)

  return {
    signal: abort.signal,
    received: () => first?.name ?? null,
    [Symbol.dispose]() {
      clearTimeout(timer)
      for (const name of NAMES) process.off(name, onSignal)
    },
  }
}

/** What a shell reports for a process that a signal ended: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOf(name: Name): number {
  return 128 + constants.signals[name]
}
