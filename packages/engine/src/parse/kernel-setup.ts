import { SluiceError } from '../errors.ts'
import { compileProgram, ENCODINGS } from './compile.ts'
import { compileJsonColumns } from './json-columns.ts'
import { align, type Kernel } from './kernel.ts'
import { Areas, PADDING } from './kernel-areas.ts'
import type { ParserOptions } from './parser.ts'
import { MAX_RECORD_BYTES } from './records.ts'

const LINE_ENDS = { lf: 0, cr: 1, any: 2 } as const
const NONE = -1

/** Twice that, the input and its cells, are the offsets that the index holds: 30 bits. */
const MOST_JSON_BYTES = 480 * 1024 * 1024

/** As kernel/scan/json.ts has them. */
const JSON_FORMS = { lines: 1, array: 2 } as const
export const JSON_STATES = { first: 0, separator: 1, any: 3 } as const

/**
 * Tells the kernel what it is to do, and lays out its memory.
 * @throws SluiceError SLUICE_USAGE for records of JSON that may be longer than it can take
 */
export function setUp(kernel: Kernel, options: Omit<ParserOptions, 'onDigest'>): Areas {
  const { program, dialect, encoding, maxRecordBytes = MAX_RECORD_BYTES, position, begun = false } = options
  const { calls, base } = kernel
  const compiled = compileProgram(program, dialect.nullWords, encoding, base)
  const end = base + compiled.bytes.length
  const columns = dialect.json && compileJsonColumns(program, align(end + PADDING, 64))
  const areas = new Areas(kernel, columns ? columns.names + columns.bytes.length : end, {
    ...compiled,
    columns: program.columns.length,
    sourceColumns: program.sourceColumns.length,
    isJson: dialect.json !== undefined,
    composes: compiled.composed !== undefined,
  })
  kernel.bytes.set(compiled.bytes, base)
  const delimiter = Buffer.from(dialect.delimiter)
  calls.setDialect(
    Buffer.concat([delimiter, Buffer.alloc(8)]).readBigUInt64LE(),
    delimiter.length,
    dialect.trailingDelimiter ?? false,
    dialect.quote?.charCodeAt(0) ?? NONE,
    dialect.escape === dialect.quote ? NONE : (dialect.escape?.charCodeAt(0) ?? NONE),
    dialect.comment?.charCodeAt(0) ?? NONE,
    LINE_ENDS[dialect.lineEnd],
    maxRecordBytes,
    compiled.nullWords,
    dialect.nullWords.length === 1 && dialect.nullWords[0] === '',
  )
  if (dialect.json && columns) {
    if (maxRecordBytes > MOST_JSON_BYTES)
      throw new SluiceError(
        'SLUICE_USAGE',
        `A record of JSON can have at most ${MOST_JSON_BYTES} bytes (--max-record-bytes)`,
      )
    kernel.bytes.set(columns.bytes, columns.names)
    const { names, wants, count, places, mask, slots } = columns
    const state = begun ? JSON_STATES.any : JSON_STATES.first
    const form = JSON_FORMS[dialect.json.form]
    calls.setJson(form, state, dialect.json.ignoresUnknown, names, wants, count, places, mask, slots)
  }
  calls.setProgram(
    base,
    program.columns.length,
    program.sourceColumns.length,
    ENCODINGS[encoding],
    compiled.rowOverhead,
    compiled.textFactor,
    program.columns.some(({ from }) => 'line' in from),
  )
  const { content = 0, contentCount = 0, members = 0, memberCount = 0 } = compiled.composed ?? {}
  calls.setCompose(content, contentCount, members, memberCount, dialect.json !== undefined)
  calls.outputTaken()
  calls.setCounters(1n, BigInt(position.line))
  return areas
}
