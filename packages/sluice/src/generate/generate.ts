import { ByteWriter } from './byte-writer.ts'
import { HEADER, writeCustomer } from './customer.ts'
import { type Cells, DAMAGES } from './damage.ts'
import { EarlierIds, Fates } from './fate.ts'
import { Random } from './random.ts'

export interface GenerateOptions {
  /** Records, the header not counted. */
  rows: number
  /** Records that no correct load accepts. */
  bad: number
  /** Sound records with the id of an earlier sound record; if there are any, `bad + duplicates < rows`. */
  duplicates: number
  /** 0 to 2⁵³ − 1. */
  seed: number
}

/**
 * The sample file of the benchmarks and tests, in chunks of about 256 KB. The same options give the same bytes. Record
 * k has the id k, unless it is bad or a duplicate; so the sound ids that are unique are `rows − bad − duplicates`. The
 * records that are sound in two files of one seed are the same.
 */
export function* generate(options: GenerateOptions): Generator<Buffer> {
  const content = new Random(options.seed, 1)
  const fates = new Fates(options.rows, options.bad, options.duplicates, new Random(options.seed, 2))
  const ids = new EarlierIds(new Random(options.seed, 3))
  const harm = new Random(options.seed, 4)
  const out = new ByteWriter()
  const starts = new Uint32Array(12)
  let damaged = 0

  out.bytes(Buffer.from(`${HEADER}\n`))
  for (let record = 1; record <= options.rows; record++) {
    const fate = fates.next()
    writeCustomer(out, record, fate === 'duplicate' ? ids.pick() : record, content, starts)
    if (fate === 'sound') ids.add(record)
    if (fate === 'bad') {
      const cells = HEADER.split(',').map((_, k) => out.text(starts[k]!, starts[k + 1]! - (k < 10 ? 1 : 0))) as Cells
      // In turn, so that a handful of bad records already shows every way.
      const bad = DAMAGES[damaged++ % DAMAGES.length]!.apply(cells, harm)
      out.at = starts[0]!
      out.bytes(Buffer.from(bad))
      out.byte(10)
    }
    if (out.full) yield out.take()
  }
  yield out.take()
}
