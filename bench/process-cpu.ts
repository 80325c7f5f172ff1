import { readFileSync } from 'node:fs'

/** Clock ticks of /proc, 100 a second on every Linux (USER_HZ). */
const TICKS = 100

/** CPU time of a process so far, in seconds (proc(5), `/proc/pid/stat`, fields 14 and 15). */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field, the program's name in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** CPU time that all cores of the machine have worked so far, in seconds (proc(5), `/proc/stat`): neither idle nor waiting for a disk. */
export function machineCpuSeconds(): number {
  const [user, nice, system, _idle, _waiting, irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number) as [number, number, number, number, number, number, number]
  return (user + nice + system + irq + softirq) / TICKS
}
