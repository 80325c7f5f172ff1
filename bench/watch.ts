/** A process under a memory limit, watched from outside, and what is expected of it. */
import { readMemory } from './process-memory.ts'

/** Memory is counted as `docker run --memory` does. */
export const MB = 2 ** 20
/** How much higher the last quarter of a run may be than its second: what a leak of 2 bytes a record would show in 5M. */
const GROWTH_LIMIT = 10 * MB
/** Milliseconds between two looks at the process. */
const INTERVAL = 50

export interface Watched {
  /** The most it held so far (VmHWM), in bytes. */
  peak(): number
  /** The most it held in each quarter of the time so far, in bytes. */
  quarters(): number[]
  stop(): void
}

/** Looks at the resident memory of a process 20 times a second, until it is stopped. */
export function watch(pid: number): Watched {
  const series: number[] = []
  let peak = 0
  const timer = setInterval(() => {
    const memory = readMemory(pid)
    if (!memory) return
    series.push(memory.rss)
    peak = memory.peak
  }, INTERVAL)
  const at = (part: number) => Math.floor((series.length * part) / 4)
  return {
    peak: () => peak,
    quarters: () => [0, 1, 2, 3].map((k) => Math.max(...series.slice(at(k), at(k + 1)))),
    stop: () => clearInterval(timer),
  }
}

/** Prints whether something is so, and lets the program fail where it is not. */
export function expect(what: string, holds: boolean): void {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
  if (!holds) process.exitCode = 1
}

/** Memory that stays below a limit, in bytes, and does not grow. */
export function expectFlat(peak: number, quarters: number[], limit: number): void {
  expect(`the peak is at most ${show(limit)}`, peak <= limit)
  expect('the last quarter is no higher than the second and 10 MB', quarters[3]! <= quarters[1]! + GROWTH_LIMIT)
}

export function show(bytes: number): string {
  return `${(bytes / MB).toFixed(0)} MB`
}
