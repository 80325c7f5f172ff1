import { hostname } from 'node:os'

/** This process, as the holder of leases: host, process and when it began, so that a process id may come again. */
export function leaseOwner(): string {
  return `${hostname()}/${process.pid}/${BEGAN}`
}

const BEGAN = Math.round(performance.timeOrigin)

/** Whether the holder of a lease was a process of this host that is there no more: nobody needs to wait for its lease. */
export function livesNoMore(owner: string): boolean {
  const [host, pid] = owner.split('/')
  if (owner === leaseOwner() || host !== hostname() || !/^\d+$/.test(pid ?? '')) return false
  // Another run of the same process id.
  if (Number(pid) === process.pid) return true
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
