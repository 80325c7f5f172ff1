import { after, test } from 'node:test'
import pg from 'pg'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { serve } from '../../sluice/test/serve.ts'
import { openBrowser, reached, sample, visit } from './browser.ts'
import { holdToProgress } from './progress-law.ts'

const RECORDS = 600_000

const server = await startPostgres()
const browser = await openBrowser()
after(async () => {
  await browser.close()
  await server.stop()
})

test('what the page says is in PostgreSQL is there, and no more than a second late', async () => {
  const folder = temporaryFolder()
  const served = await serve(folder, { DATABASE_URL: server.url })
  const { page } = await visit(browser, served.url)
  await page.setInputFiles('input[type=file]', sample(folder, 'watched.csv', RECORDS))
  await page.getByRole('button', { name: /^Import [\d.]+ MB/ }).click()
  await reached(page, 'In the database', 1)
  const client = new pg.Client(server.url)
  await client.connect()
  try {
    await holdToProgress(page, async () => {
      const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM watched')
      return rows[0]!.n
    })
  } finally {
    await client.end()
    await served.stop()
  }
})
