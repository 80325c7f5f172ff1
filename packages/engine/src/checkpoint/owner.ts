import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** This process, as the holder of leases: machine, process, and when it began, because a process id may come again. */
export function leaseOwner(): string {
  own ??= `${machine()}/${process.pid}/${stateOf(process.pid)?.began ?? Math.round(performance.timeOrigin)}`
  return own
}

let own: string | undefined

/**
 * Where process ids mean the same: the host's name, and on Linux its boot and the namespace of process ids, since containers may share
 * a name (pid_namespaces(7), random(4)).
 */
function machine(): string {
  try {
    // biome-ignore lint/plugin: one line that the system makes
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)
    const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]
    return `${hostname()}:${boot}:${namespace}`
  } catch {
    return hostname()
  }
}

/** Whether the holder of a lease was a process of this machine that is there no more: nobody needs to wait for its lease. */
export function livesNoMore(owner: string): boolean {
  const [host, pid, began] = owner.split('/')
  if (owner === leaseOwner() || host !== machine() || !/^\d+$/.test(pid ?? '')) return false
  const state = stateOf(Number(pid))
  if (state) return state.ended || state.began !== began
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** What Linux tells of a process (proc(5), `/proc/pid/stat`, fields 3 and 22); undefined elsewhere, or where there is none. */
function stateOf(pid: number): { ended: boolean; began: string } | undefined {
  try {
    // The name before them, in parentheses, may hold anything.
    // biome-ignore lint/plugin: one line that the system makes
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { ended: fields[0] === 'Z' || fields[0] === 'X', began: fields[19] ?? '' }
  } catch {
    return undefined
  }
}
