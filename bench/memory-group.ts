import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A memory cgroup: the kernel ends a process in it that needs more than the limit. Needs root. */
export interface MemoryGroup {
  /** Shell command by which a process enters it. */
  enter: string
  /** What the group used and how often it met its limit; cached file pages count until they are dropped. */
  report(): string
  remove(): void
}

const V1 = '/sys/fs/cgroup/memory'
const V2 = '/sys/fs/cgroup'

/** `limit`: bytes, without swap. */
export function createGroup(limit: number): MemoryGroup {
  return existsSync(join(V1, 'memory.limit_in_bytes')) ? version1(limit) : version2(limit)
}

function version1(limit: number): MemoryGroup {
  const folder = makeFolder(V1)
  write(folder, 'memory.limit_in_bytes', limit)
  // Only there where the kernel accounts for swap.
  if (existsSync(join(folder, 'memory.memsw.limit_in_bytes'))) write(folder, 'memory.memsw.limit_in_bytes', limit)
  return group(folder, ['memory.max_usage_in_bytes', 'memory.failcnt'])
}

function version2(limit: number): MemoryGroup {
  write(V2, 'cgroup.subtree_control', '+memory')
  const folder = makeFolder(V2)
  write(folder, 'memory.max', limit)
  write(folder, 'memory.swap.max', 0)
  return group(folder, ['memory.peak', 'memory.events'])
}

function group(folder: string, reports: string[]): MemoryGroup {
  return {
    enter: `echo $$ > ${join(folder, 'cgroup.procs')}`,
    report: () =>
      reports
        .map((name) => `${name} ${readFileSync(join(folder, name), 'utf8').trim().replaceAll('\n', ', ')}`)
        .join('; '),
    remove: () => rmdirSync(folder),
  }
}

let made = 0

function makeFolder(parent: string): string {
  const folder = join(parent, `sluice-bench-${process.pid}-${++made}`)
  mkdirSync(folder)
  return folder
}

function write(folder: string, name: string, value: string | number): void {
  writeFileSync(join(folder, name), String(value))
}
