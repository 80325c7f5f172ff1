import { readFileSync } from 'node:fs'

/** What kernel/index.ts exports. Offsets into the input are relative to its start, `…End` is exclusive; pointers are absolute. */
interface KernelExports {
  init(): void
  heapBase(): number
  setDialect(
    delimiter: bigint,
    delimiterLength: number,
    trailingDelimiter: boolean,
    quote: number,
    escapeChar: number,
    comment: number,
    lineEnd: number,
    maxRecord: number,
    nullWords: number,
    onlyEmptyIsNull: boolean,
  ): void
  setJson(
    form: number,
    state: number,
    ignoresUnknown: boolean,
    names: number,
    wants: number,
    columns: number,
    places: number,
    mask: number,
    slots: number,
  ): void
  setCells(cells: number, limit: number): void
  setState(state: number): void
  setProgram(
    columns: number,
    columnCount: number,
    sourceCells: number,
    encoding: number,
    rowOverhead: number,
    textFactor: number,
    usesLine: boolean,
  ): void
  setCompose(content: number, contentCount: number, members: number, memberCount: number, areJson: boolean): void
  setComposeArea(area: number): void
  setLists(
    index: number,
    indexLimit: number,
    faults: number,
    faultLimit: number,
    rowStarts: number,
    rowLimit: number,
    rejects: number,
    rejectLimit: number,
    errors: number,
    errorLimit: number,
    types: number,
    digits: number,
  ): void
  setBuffers(input: number, output: number, outputLimit: number, scratch: number, other: number, body: number): void
  setCounters(rowid: bigint, line: bigint): void
  scan(from: number, length: number, final: boolean, careful: boolean): number
  convert(most: number, startsOffset: number): number
  listsTaken(): void
  outputTaken(): void
  finishPage(): void
  countLines(from: number, to: number): number
  getAt(): number
  getOut(): number
  getRows(): number
  getRejected(): number
  getRecords(): number
  getWanted(): number
  getLarge(): number
  getLargeEnd(): number
  isIndexEmpty(): number
  getNext(): number
  getEndlessReason(): number
  getEndlessCell(): number
}

/** What the kernel asks of JavaScript; see kernel/host.ts. */
export interface KernelHost {
  parseFloat(start: number, end: number, to: number): void
  changeCase(start: number, end: number, to: number, upper: number): number
  test(column: number, start: number, end: number): number
  sha256(start: number, end: number, to: number): number
}

/** What `scan` and `convert` return; see kernel/scan/csv.ts, kernel/scan/json.ts and kernel/convert.ts. */
export const SCAN = { records: 0, needMore: 1, endless: 2, closed: 3, truncated: 4 } as const
export const CONVERT = { done: 0, enough: 1, drain: 2, grow: 3, largeRow: 4, rescan: 5 } as const
export const REJECT_BYTES = 24
export const ERROR_BYTES = 20
export const FAULT_BYTES = 12

const PAGE = 65_536

let compiled: WebAssembly.Module | undefined

function module(): WebAssembly.Module {
  // biome-ignore lint/plugin: our own code, 25 KB, read once a process
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../kernel/kernel.wasm', import.meta.url)))
  return compiled
}

/** An instance of the kernel with its own memory, which grows and never shrinks. */
export class Kernel {
  readonly calls: KernelExports
  /** Views of the whole memory; made anew when it grows. */
  bytes!: Buffer
  view!: DataView
  /** First byte that areas can be laid out at. */
  readonly base: number
  readonly #memory: WebAssembly.Memory

  constructor(host: (kernel: Kernel) => KernelHost) {
    this.#memory = new WebAssembly.Memory({ initial: 2 })
    const env = { memory: this.#memory, abort: aborted }
    const instance = new WebAssembly.Instance(module(), { env, host: { ...host(this) } })
    this.calls = instance.exports as unknown as KernelExports
    this.calls.init()
    this.base = align(this.calls.heapBase(), 64)
    this.reserve(0)
  }

  /** Makes the memory at least `size` bytes; the views change. */
  reserve(size: number): void {
    const missing = size - this.#memory.buffer.byteLength
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE))
    this.bytes = Buffer.from(this.#memory.buffer)
    this.view = new DataView(this.#memory.buffer)
  }
}

export function align(offset: number, to: number): number {
  return Math.ceil(offset / to) * to
}

function aborted(): never {
  throw new Error('the kernel aborted')
}
