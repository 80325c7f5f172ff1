import type { Progress } from '@sluice/engine'
import { withoutPassword } from '../config.ts'
import type { Failure } from './failure.ts'
import { printable } from './plain-text.ts'
import { ProgressBar } from './progress-bar.ts'

/** What a load says on standard error while it runs. */
export interface Reporter {
  notice(message: string): void
  progress(progress: Progress): void
  failure(failure: Failure): void
  /** Takes away what was only for the time of the load. */
  close(): void
}

/** Sentences, and a progress bar where standard error is a terminal. `quiet` leaves only failures. */
export function textReporter(quiet: boolean): Reporter {
  const bar = process.stderr.isTTY && process.env['TERM'] !== 'dumb' && !quiet ? new ProgressBar(process.stderr) : null
  const print = (message: string) => {
    bar?.clear()
    process.stderr.write(`sluice: ${printable(message)}\n`)
  }
  return {
    notice: (message) => {
      if (!quiet) print(withoutPassword(message))
    },
    progress: (progress) => bar?.update(progress),
    failure: ({ message }) => print(message),
    close: () => bar?.clear(),
  }
}

/** `--progress json`: each line is an object whose `event` is `notice`, `progress` or `error`. */
export function jsonReporter(quiet: boolean): Reporter {
  const print = (line: object) => process.stderr.write(`${JSON.stringify(line)}\n`)
  return {
    notice: (message) => {
      if (!quiet) print({ event: 'notice', message: withoutPassword(message) })
    },
    progress: (progress) => print({ event: 'progress', ...progress }),
    failure: ({ code, message }) => print({ event: 'error', code, message }),
    close: () => undefined,
  }
}
