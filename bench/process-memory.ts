import { readFileSync } from 'node:fs'

/** Resident memory in bytes of a process: now, and the most so far (VmHWM of proc(5)); undefined when it has ended. */
export function readMemory(pid: number): { rss: number; peak: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
    const memory = { rss: kilobytes('VmRSS'), peak: kilobytes('VmHWM') }
    // A process that has ended but was not yet waited for has no memory lines.
    return Number.isNaN(memory.rss) ? undefined : memory
  } catch {
    return undefined
  }
}
