import { test } from 'node:test'
import pg from 'pg'
import { roundTrip } from './decode-suite.ts'
import { startPostgres } from './support/postgres.ts'

test('any table in any encoding and compression is read as it was written', { timeout: 120_000 }, async (t) => {
  const server = await startPostgres()
  const client = new pg.Client(server.url)
  await client.connect()
  t.after(async () => {
    await client.end()
    await server.stop()
  })
  const query = async (sql: string) => {
    try {
      return (await client.query(sql)).rows
    } catch (error) {
      if (/does not exist/.test((error as Error).message)) return []
      throw error
    }
  }
  await roundTrip(server.url, query, 20)
})
