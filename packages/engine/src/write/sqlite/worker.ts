import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import type { Call, Ends, Method, Opening, Reply } from './channel.ts'
import { explain, sendError } from './errors.ts'
import { Session } from './session.ts'

const port = parentPort!
const sessions = new Map<number, Session>()
/** In the order in which they are worked on, one after the other. */
const calls: Call[] = []
let isWorking = false

/** What the call is answered with, and those before it that have no answer yet; nothing as long as it is held back. */
async function answer({ session: id, method, args }: Call): Promise<unknown[]> {
  if (method === 'open') {
    sessions.set(id, new Session(...(args as Opening), () => nextBatch(id)))
    return [undefined]
  }
  const session = sessions.get(id)!
  if (method === 'close') sessions.delete(id)
  if (method === 'commit') return session.commit(...(args as Parameters<Session['commit']>))
  const call = session[method as Method] as (...args: unknown[]) => Promise<unknown>
  return [await call.apply(session, args)]
}

async function replies(call: Call): Promise<Reply[]> {
  try {
    return (await answer(call)).map((value) => ({ value }))
  } catch (error) {
    return [{ error: sendError(explain(error, 'working on an SQLite file')) }]
  }
}

/** The batch of the next call, if it is there already and comes behind one of the same session. */
function nextBatch(session: number): Ends | undefined {
  const waiting = calls.length === 0 ? receiveMessageOnPort(port) : undefined
  if (waiting) calls.push(waiting.message)
  const [next] = calls
  if (next?.session !== session || next.method !== 'commit') return undefined
  const [batch, , { isBehind }] = next.args as Parameters<Session['commit']>
  return isBehind ? batch : undefined
}

async function work(): Promise<void> {
  isWorking = true
  for (let call = calls.shift(); call; call = calls.shift()) {
    for (const reply of await replies(call)) port.postMessage(reply)
  }
  isWorking = false
}

port.on('message', (call: Call) => {
  calls.push(call)
  if (!isWorking) void work()
})
