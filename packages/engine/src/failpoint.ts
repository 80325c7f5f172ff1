import { SluiceError } from './errors.ts'

/**
 * Places at which tests end, fail or hold up a load. Off, and nothing but a comparison, unless `SLUICE_FAILPOINTS` names
 * them when the process starts: `NAME[:N]=ACTION` or `NAME:N+=ACTION`, separated by commas, for the N-th time (by default the
 * first) that the place is reached, or every time from the N-th on. Actions: `kill` (SIGKILL to this process), `error`
 * (throws what is not tried again), `transient` (throws what is), `delay=MS` (blocks the thread).
 */
export function failpoint(name: string): void {
  if (points === undefined) return
  const count = (reached.get(name) ?? 0) + 1
  reached.set(name, count)
  for (const point of points) {
    if (point.name === name && (count === point.nth || (point.onwards && count > point.nth))) act(point)
  }
}

interface Point {
  name: string
  nth: number
  onwards: boolean
  action: string
  delayMs: number
}

const points = process.env.SLUICE_FAILPOINTS ? parse(process.env.SLUICE_FAILPOINTS) : undefined
const reached = new Map<string, number>()

function parse(text: string): Point[] {
  return text.split(',').map((part) => {
    const found = /^([a-z-]+)(?::(\d+)(\+?))?=(kill|error|transient|delay=(\d+))$/.exec(part)
    if (!found) throw new SluiceError('SLUICE_CONFIG', `SLUICE_FAILPOINTS cannot be understood at "${part}"`)
    const [, name, nth = '1', onwards, action, delayMs = '0'] = found
    return { name: name!, nth: Number(nth), onwards: onwards === '+', action: action!, delayMs: Number(delayMs) }
  })
}

function act({ name, action, delayMs }: Point): void {
  if (action === 'kill') {
    process.kill(process.pid, 'SIGKILL')
    // The signal takes a moment, in which nothing more may happen.
    wait(10_000)
  } else if (action === 'error') {
    throw new SluiceError('SLUICE_INTERNAL', `The failpoint ${name} was reached`)
  } else if (action === 'transient') {
    // A broken connection to PostgreSQL's driver, SQLITE_BUSY to SQLite's.
    throw Object.assign(new Error(`The failpoint ${name} was reached`), { code: 'ECONNRESET', errcode: 5 })
  } else {
    wait(delayMs)
  }
}

function wait(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
