/** The usual pipeline: csv-parse | Transform | COPY … FROM STDIN, in the text format. Arguments: the file, the URL. */
import { createReadStream } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import { convert } from './customer.ts'

const SPECIAL = /[\\\t\n\r]/g
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

const [, , file, url] = process.argv as [string, string, string, string]
const client = new pg.Client(url)
await client.connect()
await pipeline(
  createReadStream(file),
  parse({ columns: true, relax_column_count: true, skip_records_with_error: true }),
  new Transform({
    writableObjectMode: true,
    transform(record: Record<string, string>, _encoding, done) {
      const values = convert(Object.values(record))
      done(null, values && `${values.map((value) => value.replace(SPECIAL, (char) => ESCAPES[char]!)).join('\t')}\n`)
    },
  }),
  client.query(from('copy customers from stdin')),
)
await client.end()
