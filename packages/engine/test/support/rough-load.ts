import assert from 'node:assert/strict'
import { load } from '../../src/load.ts'
import type { LoadOptions } from '../../src/options.ts'
import type { Receipt } from '../../src/receipt.ts'
import type { Sql } from '../../src/write/database.ts'
import type { Random } from './random.ts'

/** Records of which many repeat the key of one close before them, so that neighbouring batches have the same ones. */
export class RoughSource {
  readonly #rows: { id: number; n: number }[] = []
  readonly #rejects: { record: number; code: string }[] = []
  readonly #csv: Buffer

  constructor(records: number, random: Random) {
    const lines: string[] = []
    const seen = new Set<number>()
    for (let record = 1; record <= records; record++) {
      const isBad = random.chance(1)
      const id = random.chance(5) ? random.between(Math.max(1, record - 300), record) : record
      lines.push(`${isBad ? 'bad' : id},${record}`)
      if (isBad) this.#rejects.push({ record, code: 'type-error' })
      // The server looks at the CHECK first.
      else if (record % 501 === 500) this.#rejects.push({ record, code: 'constraint-error' })
      else if (seen.has(id)) this.#rejects.push({ record, code: 'unique-error' })
      else {
        this.#rows.push({ id, n: record })
        seen.add(id)
      }
    }
    this.#csv = Buffer.from(`id,n\n${lines.join('\n')}\n`)
  }

  /** What the table and the job's must be empty of; the table refuses records of its own. */
  async makeTable(sql: Sql, options = ''): Promise<void> {
    for (const table of ['rough', 'ingestion_jobs', 'ingestion_checkpoints', 'failed_imports']) {
      await sql.query(`DROP TABLE IF EXISTS ${table}`)
    }
    await sql.query(`CREATE TABLE rough (id int4 PRIMARY KEY ${options}, n int4 CHECK (n % 501 <> 500))`)
  }

  load(to: string, more: Partial<LoadOptions> = {}): Promise<Receipt> {
    const csv = this.#csv
    async function* source() {
      yield csv
    }
    return load({
      source: source(),
      sourceName: 'rough.csv',
      to,
      table: 'rough',
      batchRows: 100,
      ...more,
    } as LoadOptions)
  }

  /** Rows, rejects and counters are those of one record after the other. */
  async assertLoaded(sql: Sql, what: string): Promise<void> {
    const rows = await sql.query('SELECT id, n FROM rough ORDER BY n')
    assert.deepEqual(
      rows.map(({ id, n }) => `${id} ${n}`),
      this.#rows.map(({ id, n }) => `${id} ${n}`),
      what,
    )
    const rejects = await sql.query('SELECT record, code FROM failed_imports ORDER BY record')
    assert.deepEqual(
      rejects.map(({ record, code }) => `${record} ${code}`),
      this.#rejects.map(({ record, code }) => `${record} ${code}`),
      what,
    )
    const jobs = await sql.query('SELECT status, records_read, inserted, rejected FROM ingestion_jobs')
    assert.deepEqual(
      jobs.map((job) => [job.status, Number(job.records_read), Number(job.inserted), Number(job.rejected)]),
      [['COMPLETED', this.#rows.length + this.#rejects.length, this.#rows.length, this.#rejects.length]],
      what,
    )
    const open = await sql.query('SELECT segment FROM ingestion_checkpoints WHERE NOT done OR lease_owner IS NOT NULL')
    assert.deepEqual(open, [], what)
  }
}
