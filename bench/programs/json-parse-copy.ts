/** The usual pipeline: readline | JSON.parse | COPY … FROM STDIN, in the text format. Arguments: the file, the URL. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import { convert } from './customer.ts'

const SPECIAL = /[\\\t\n\r]/g
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
/** Rows handed on at once: an iterable of single ones would make the peer slower than it need be. */
const ROWS = 200

const [, , file, url] = process.argv as [string, string, string, string]
const client = new pg.Client(url)
await client.connect()
await pipeline(Readable.from(rows()), client.query(from('copy customers from stdin')))
await client.end()

async function* rows(): AsyncGenerator<string> {
  let text = ''
  let count = 0
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const values = convert(Object.values(JSON.parse(line) as Record<string, unknown>).map(String))
    if (!values) continue
    text += `${values.map((value) => value.replace(SPECIAL, (char) => ESCAPES[char]!)).join('\t')}\n`
    if (++count % ROWS > 0) continue
    yield text
    text = ''
  }
  yield text
}
