/** The files that are loaded: what `sluice generate` writes, kept between runs because writing 1 GB takes a while. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse'

const ROOT = join(import.meta.dirname, '..')
export const SLUICE = join(ROOT, 'packages/sluice/bin/sluice.js')
/** Generated files and databases. */
export const WORK = join(ROOT, '.tmp/bench')

export interface Sample {
  path: string
  schema: string
  bytes: number
  /** Records in the file. */
  records: number
  /** Records that have to be rejected. */
  bad: number
}

/** The sample of so many records of which the given percentage is bad. */
export function sample(records: number, badPercent = 0): Sample {
  mkdirSync(WORK, { recursive: true })
  const path = join(WORK, `customers-${records}-${badPercent}.csv`)
  const schema = join(WORK, 'customers.schema.json')
  writeFileSync(schema, execFileSync(process.execPath, [SLUICE, 'generate', '--schema']))
  if (!existsSync(path)) generate(path, records, badPercent)
  return { path, schema, bytes: statSync(path).size, records, bad: Math.round((records * badPercent) / 100) }
}

/** The same sample as NDJSON: id and amount as numbers, the rest as strings. */
export async function ndjsonSample(records: number): Promise<Sample> {
  const csv = sample(records)
  const path = csv.path.replace('.csv', '.ndjson')
  if (!existsSync(path)) {
    const unfinished = `${path}.part`
    const file = openSync(unfinished, 'w')
    for await (const row of createReadStream(csv.path).pipe(parse({ columns: true }))) {
      const members = Object.entries(row as Record<string, string>).map(
        ([key, value]) => `"${key}":${NUMBERS.has(key) ? value : JSON.stringify(value)}`,
      )
      writeSync(file, `{${members.join(',')}}\n`)
    }
    closeSync(file)
    renameSync(unfinished, path)
  }
  return { ...csv, path, bytes: statSync(path).size }
}

const NUMBERS = new Set(['id', 'amount'])

function generate(path: string, records: number, badPercent: number): void {
  const unfinished = `${path}.part`
  const file = openSync(unfinished, 'w')
  const options = ['--rows', String(records), '--bad', `${badPercent}%`]
  const { status } = spawnSync(process.execPath, [SLUICE, 'generate', ...options], {
    stdio: ['ignore', file, 'inherit'],
  })
  closeSync(file)
  if (status !== 0) throw new Error(`sluice generate ended with ${status}`)
  renameSync(unfinished, path)
}
