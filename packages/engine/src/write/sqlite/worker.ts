import { parentPort, workerData } from 'node:worker_threads'
import type { Call, Reply, ThreadOptions } from './channel.ts'
import { explain, sendError } from './errors.ts'
import { Session } from './session.ts'

const port = parentPort!
const { path, busyTimeout } = workerData as ThreadOptions

async function reply(work: () => unknown): Promise<void> {
  let reply: Reply
  try {
    reply = { value: await work() }
  } catch (error) {
    reply = { error: sendError(explain(error, `working on ${path}`)) }
  }
  port.postMessage(reply)
}

let session: Session
let turn = reply(() => {
  session = new Session(path, busyTimeout)
})

port.on('message', ({ method, args }: Call) => {
  const call = session[method] as (...args: unknown[]) => Promise<unknown>
  turn = turn.then(() => reply(() => call.apply(session, args)))
})
