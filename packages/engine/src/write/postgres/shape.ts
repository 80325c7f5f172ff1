import { SluiceError } from '../../errors.ts'
import type { LoadPlan, Sql } from '../database.ts'
import { quoteTable } from './identifier.ts'

type Planned = Pick<LoadPlan, 'table' | 'columns' | 'declared'>

/** A table, and the types of its columns by their names. */
interface Found {
  oid: number | undefined
  types: Map<string, string>
}

/**
 * The columns that rows go into, as they were when the load was planned. Rows are made for their types: after an ALTER TABLE the server would
 * read other values in the same bytes, refuse them, or round them.
 */
export class Shape {
  readonly #plan: Planned
  readonly #known: Found

  private constructor(plan: Planned, known: Found) {
    this.#plan = plan
    this.#known = known
  }

  /** @throws SluiceError as {@link verify} */
  static async of(sql: Sql, plan: Planned): Promise<Shape> {
    const { oid, types } = await find(sql, plan)
    const shape = new Shape(plan, { oid, types: new Map([...types, ...(plan.declared ?? [])]) })
    shape.#compare({ oid, types })
    return shape
  }

  /**
   * To be called when rows are in and before they are committed: until then they keep others from altering the table.
   * @throws SluiceError SLUICE_DATABASE when it is not as it was
   */
  async verify(sql: Sql): Promise<void> {
    this.#compare(await find(sql, this.#plan))
  }

  #compare({ oid, types }: Found): void {
    const { table, columns } = this.#plan
    const known = this.#known
    const changed = columns
      .filter(({ name }) => types.get(name) !== known.types.get(name))
      .map(
        ({ name }) => `column ${JSON.stringify(name)} was ${known.types.get(name)} and is ${types.get(name) ?? 'gone'}`,
      )
    if (changed.length === 0 && oid === known.oid) return
    const what = changed.length > 0 ? changed.join(', ') : 'it is another table of that name'
    throw new SluiceError(
      'SLUICE_DATABASE',
      `The table ${table.table} was changed while it was loaded: ${what}. Run the same command again: it goes on with the table as it is`,
    )
  }
}

async function find(sql: Sql, { table, columns }: Planned): Promise<Found> {
  const rows = await sql.query<{ oid: number; name: string; type: string }>(
    `SELECT attrelid AS oid, attname AS name, pg_catalog.format_type(atttypid, atttypmod) AS type FROM pg_catalog.pg_attribute
       WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0
         AND CAST(attname AS text) IN (SELECT pg_catalog.json_array_elements_text(CAST($2 AS json)))`,
    [quoteTable(table), JSON.stringify(columns.map(({ name }) => name))],
  )
  return { oid: rows[0]?.oid, types: new Map(rows.map(({ name, type }) => [name, type])) }
}
