import { tracingChannel } from 'node:diagnostics_channel'

/** Listens to a tracing channel for as long as the process lives. */
export function listen<T extends object>(
  name: string,
  { start, asyncEnd }: { start: (message: T) => void; asyncEnd: (message: T) => void },
): void {
  const channel = tracingChannel<T>(name)
  channel.start.subscribe((message) => start(message as T))
  channel.asyncEnd.subscribe((message) => asyncEnd(message as T))
}
