/**
 * How a load in segments scales beyond the machine that it was measured on. A simulation: workers claim segments, read them from a store,
 * make batches and hand them to a server with so many cores, two at a time, as sluice does. The costs are those that `npm run bench`
 * measures (`--only postgres-segments`, `--only postgres-unique`); docs/scaling.md holds the output.
 */
import { formatTable } from './table.ts'

const MB = 1e6
const SEGMENT = 33.6 * MB
const BATCH = 2.1 * MB
const FILE = 20_000 * MB
/** Batches of a worker on their way at once. */
const IN_FLIGHT = 2

/** Milliseconds. */
const COSTS = {
  /** To read, check and send a MB: 1.1 s of a worker's core for 199 MB, 0.35 s of them to start. */
  worker: 3.8,
  /** Of the server's core, for a MB: 1.33 s for 199 MB. */
  server: 6.7,
  /** To make a commit durable. It takes no core, and several at once share it. */
  commit: 12,
  /** To claim a segment, to open it in the store, and to mark it done. */
  segment: 30,
}

/** A resource with so many places: who comes waits for the first one that is free. */
class Places {
  readonly #free: number[]
  busy = 0

  constructor(count: number) {
    this.#free = Array(count).fill(0)
  }

  /** @returns when it is done */
  take(from: number, ms: number): number {
    const first = this.#free.indexOf(Math.min(...this.#free))
    const end = Math.max(from, this.#free[first]!) + ms
    this.#free[first] = end
    this.busy += ms
    return end
  }
}

interface Result {
  rate: number
  limit: string
}

function simulate(workers: number, serverCores: number, storeMBs: number): Result {
  const [server, store] = [new Places(serverCores), new Places(1)]
  let left = Math.ceil(FILE / SEGMENT)
  let workerBusy = 0
  // Each worker's clock, its batches on their way, and what is left of its segment.
  const all = Array.from({ length: workers }, () => ({ now: 0, flying: [] as number[], bytes: 0 }))
  let end = 0
  for (;;) {
    const next = all.filter(({ bytes }) => bytes > 0 || left > 0).sort((a, b) => a.now - b.now)[0]
    if (!next) break
    if (next.bytes <= 0) {
      left--
      next.bytes = SEGMENT
      next.now = Math.max(next.now, ...next.flying) + COSTS.segment
      next.flying = []
    }
    const size = Math.min(BATCH, next.bytes) / MB
    next.bytes -= BATCH
    const read = store.take(next.now, (size / storeMBs) * 1000)
    const made = Math.max(next.now, read) + size * COSTS.worker
    workerBusy += size * COSTS.worker
    // While two are on their way the next one waits.
    const free = next.flying.length < IN_FLIGHT ? made : Math.max(made, next.flying.shift()!)
    const committed = Math.max(server.take(free, size * COSTS.server) + COSTS.commit, next.flying.at(-1) ?? 0)
    next.flying.push(committed)
    next.now = free
    end = Math.max(end, committed)
  }
  const shares = {
    'the server': server.busy / serverCores / end,
    'the store': store.busy / end,
    workers: workerBusy / workers / end,
  }
  const [name, share] = Object.entries(shares).sort(([, a], [, b]) => b - a)[0]!
  return { rate: FILE / MB / (end / 1000), limit: `${name} (${Math.round(share * 100)} %)` }
}

/** For servers and stores of several sizes. */
export function printLaw(): void {
  for (const [serverCores, storeMBs] of [
    [2, 1_000],
    [8, 1_000],
    [32, 1_000],
    [32, 5_000],
  ] as const) {
    console.log(`\nA server with ${serverCores} cores, a store that gives ${storeMBs} MB/s`)
    const rows = [1, 2, 4, 8, 16, 32].map((workers) => {
      const { rate, limit } = simulate(workers, serverCores, storeMBs)
      return [String(workers), rate.toFixed(0), (rate / simulate(1, serverCores, storeMBs).rate).toFixed(1), limit]
    })
    console.log(formatTable([['workers', 'MB/s', 'times one', 'busiest'], ...rows]))
  }
}
