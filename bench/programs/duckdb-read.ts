/** DuckDB reads every cell as text, in one thread, and counts them. Argument: the file. Prints the seconds as JSON. */
import { DuckDBInstance } from '@duckdb/node-api'

const [, , file] = process.argv as [string, string, string]
const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
const connection = await instance.connect()
const source = `read_csv('${file}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')`
const start = performance.now()
// Counting a column makes DuckDB read it: count(*) alone would skip the cells.
await connection.runAndReadAll(`select count(COLUMNS(*)) from ${source}`)
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }))
