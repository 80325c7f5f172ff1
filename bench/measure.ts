import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { command } from '../scripts/commands.ts'

export interface Measurement {
  /** From start to end of the process. */
  seconds: number
  /** User and system time of the process and its children. */
  cpuSeconds: number
  /** Most memory that the process held at once (VmHWM), in bytes. */
  peakRss: number
  /** What it printed. */
  stdout: string
}

/** Runs a program to its end. GNU time reads its counters when the kernel has them complete: at the exit. */
export async function measure(
  [program, ...args]: [string, ...string[]],
  env: NodeJS.ProcessEnv = {},
): Promise<Measurement> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const report = join(folder, 'time')
  try {
    const start = performance.now()
    const child = spawn(command('time', 'time'), ['-f', '%U %S %M', '-o', report, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    const seconds = (performance.now() - start) / 1000
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`)
    const [user, system, kilobytes] = readFileSync(report, 'utf8').split(' ').map(Number) as [number, number, number]
    return { seconds, cpuSeconds: user + system, peakRss: kilobytes * 1024, stdout }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
