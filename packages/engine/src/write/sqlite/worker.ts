import { parentPort } from 'node:worker_threads'
import type { Call, Method, Opening, Reply } from './channel.ts'
import { explain, sendError } from './errors.ts'
import { Session } from './session.ts'

const port = parentPort!
const sessions = new Map<number, Session>()

function answer({ session: id, method, args }: Call): unknown {
  if (method === 'open') {
    sessions.set(id, new Session(...(args as Opening)))
    return undefined
  }
  const session = sessions.get(id)!
  if (method === 'close') sessions.delete(id)
  const call = session[method as Method] as (...args: unknown[]) => Promise<unknown>
  return call.apply(session, args)
}

async function reply(call: Call): Promise<void> {
  let reply: Reply
  try {
    reply = { value: await answer(call) }
  } catch (error) {
    reply = { error: sendError(explain(error, 'working on an SQLite file')) }
  }
  port.postMessage(reply)
}

let turn = Promise.resolve()
port.on('message', (call: Call) => {
  turn = turn.then(() => reply(call))
})
