import { parentPort, workerData } from 'node:worker_threads'
import { SluiceError } from './errors.ts'
import { load } from './load.ts'
import type { ThreadEnd, ThreadOptions } from './threads.ts'

const port = parentPort!
const ending = new AbortController()
port.once('message', () => ending.abort())
let end: ThreadEnd = null
try {
  await load({ ...(workerData as ThreadOptions), parallel: 1, signal: ending.signal })
} catch (error) {
  const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
  end = { code, message: (error as Error).message }
}
port.postMessage(end)
port.close()
