import type { CompiledProgram } from './compile.ts'
import { align, ERROR_BYTES, FAULT_BYTES, type Kernel, REJECT_BYTES } from './kernel.ts'

/**
 * Bytes the kernel takes at once, about 0.5 ms of work: more gains nothing (256 KiB and 1 MiB were equal within noise),
 * and would hold up the event loop of a server.
 */
export const CHUNK = 256 * 1024
/** Room for what is left of a chunk: the record that goes on in the next one. */
export const CARRY = 64 * 1024
const OUTPUT = 1024 * 1024
const INDEX_ENTRIES = 32 * 1024
const FAULTS = 1024
const ROWS = 16 * 1024
const REJECTS = 2048
const ERRORS = 8192
/** Digits of the largest numeric (131,072 + 16,383), twice, and room. */
const DIGITS = 320 * 1024
/** Bytes of cells beyond those of the input: for the marks of a record, and members that have no column. */
const CELL_ROOM = 4096
/** What reading and writing 16 (or, scanning, 64) bytes at once may pass the end by. */
export const PADDING = 128

export interface AreaNeeds extends Pick<CompiledProgram, 'rowOverhead' | 'textFactor'> {
  columns: number
  sourceColumns: number
  isJson: boolean
  /** Whether values are made of several cells. */
  composes: boolean
}

/** What lies where in the kernel's memory, behind what it is to do: lists of a fixed size, then areas that grow. */
export class Areas {
  /** First bytes of areas; they move when one of them grows. */
  input = 0
  output = 0
  /** Of the lists that a batch is made of. */
  readonly rowStarts: number
  readonly rejects: number
  readonly errors: number
  /** Bytes of input that there is room for. */
  capacity = CHUNK + CARRY
  readonly #kernel: Kernel
  readonly #needs: AreaNeeds
  readonly #listsEnd: number
  #cells = 0
  #outputSize = OUTPUT

  /** @param start the first byte that is free */
  constructor(kernel: Kernel, start: number, needs: AreaNeeds) {
    this.#kernel = kernel
    this.#needs = needs
    const { columns, sourceColumns } = needs
    const errorCount = ERRORS + 2 * columns
    // The kernel marks a record's start in the entry before its first one.
    const index = align(start + PADDING, 64) + 64
    // A record of JSON has an entry for each column of the source, and its members without one.
    const indexEnd = index + Math.max(INDEX_ENTRIES, sourceColumns + 256) * 4
    const faults = indexEnd + PADDING
    const rowStarts = align(faults + FAULTS * FAULT_BYTES, 64)
    const rejects = rowStarts + ROWS * 4
    const errors = rejects + REJECTS * REJECT_BYTES
    const types = align(errors + errorCount * ERROR_BYTES, 64)
    const digits = align(types + columns * 9 + PADDING, 64)
    this.rowStarts = rowStarts
    this.rejects = rejects
    this.errors = errors
    this.#listsEnd = digits + DIGITS
    this.#lay(0)
    kernel.calls.setLists(
      index,
      indexEnd,
      faults,
      rowStarts,
      rowStarts,
      ROWS,
      rejects,
      REJECTS,
      errors,
      errorCount,
      types,
      digits,
    )
  }

  /**
   * Makes room for twice the input, or `most` bytes of it.
   * @param have bytes that are in it, which move along
   */
  growInput(most: number, have: number): void {
    this.capacity = Math.min(this.capacity * 2, most)
    this.#lay(have)
  }

  /** Makes room for `wanted` bytes of output, and drops what is there. */
  growOutput(wanted: number, have: number): void {
    this.#outputSize = align(wanted, OUTPUT)
    this.#lay(have)
    this.#kernel.calls.outputTaken()
  }

  #lay(have: number): void {
    const { rowOverhead, textFactor, sourceColumns, isJson, composes } = this.#needs
    const { calls } = this.#kernel
    const output = align(this.#listsEnd, 64)
    const outputEnd = output + this.#outputSize
    const input = align(outputEnd + PADDING, 64)
    const scratchSize = align(this.capacity * textFactor + rowOverhead + PADDING, 64)
    const cells = align(input + this.capacity + PADDING, 64)
    const cellsSize = isJson ? this.capacity + CELL_ROOM + 2 * sourceColumns : 0
    const scratch = align(cells + cellsSize + PADDING, 64)
    const other = scratch + scratchSize
    const composed = scratch + 3 * scratchSize
    this.#kernel.reserve(composed + (composes ? scratchSize : 0))
    calls.setComposeArea(composed)
    // The cells of records that wait in the index move by as much as the input, which is copied over what was theirs.
    if (cells > this.#cells && this.#cells > 0)
      this.#kernel.bytes.copyWithin(cells, this.#cells, this.#cells + cellsSize)
    this.#cells = cells
    calls.setCells(cells, cells + cellsSize)
    this.#kernel.bytes.copyWithin(input, this.input, this.input + have)
    this.input = input
    this.output = output
    calls.setBuffers(input, output, outputEnd, scratch, other, other + scratchSize)
  }
}
