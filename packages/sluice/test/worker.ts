import { type Ended, start } from './sluice.ts'
import { LONG } from './torture.ts'

export interface StartedWorker {
  pid: number
  ended: Promise<Ended>
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts `sluice worker` and waits until it works. */
export async function startWorker(folder: string, env: Record<string, string>): Promise<StartedWorker> {
  const timeout = LONG ? 14_400_000 : 600_000
  const { child, ended } = start(['worker'], { cwd: folder, env, inputStaysOpen: true, timeout })
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text: string) => /working/.test(text) && resolve())
    ended.then(({ code, stderr }) => reject(new Error(`sluice worker ended with ${code}: ${stderr}`)), reject)
  })
  return {
    pid: child.pid!,
    ended,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await ended
    },
  }
}
