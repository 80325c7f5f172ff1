import assert from 'node:assert/strict'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { serve } from '../../sluice/test/serve.ts'
import { openBrowser, reached, sample, seriousFindings, visit } from './browser.ts'
import { holdToProgress } from './progress-law.ts'

const PAGE = join(import.meta.dirname, '../../sluice/page')
/** 120 MB. */
const RECORDS = 600_000
const MOST_SCRIPT = 250 * 1024

let browser: Browser
before(async () => {
  browser = await openBrowser()
})
after(() => browser.close())

const button = (page: Page, name: RegExp | string) => page.getByRole('button', { name })
const accessible = async (page: Page, state: string) => assert.deepEqual(await seriousFindings(page), [], state)

test('a file all the way: looked into, mapped, sent over a connection that breaks, watched, repaired and loaded again', async () => {
  const folder = temporaryFolder()
  const file = sample(folder, 'people.csv', RECORDS)
  let served = await serve(folder)
  const { page, complaints } = await visit(browser, served.url)
  await accessible(page, 'at the start')

  await page.setInputFiles('input[type=file]', file)
  await page.getByRole('columnheader', { name: 'email' }).waitFor()
  await page.getByText(/of the first [\d,]+ records would be refused/).waitFor()
  await button(page, 'Make it whole number').click()
  await page.getByLabel('Take the column note').uncheck()
  await page.getByLabel('Column in the table for email').fill('mail')
  await page.getByLabel(/^Table/).fill('people')
  await page.getByLabel(/^Key/).selectOption('id')
  await page
    .getByText(/“?x\d+”?.*is not an integer|"x\d+" is not an integer/)
    .first()
    .waitFor()
  await accessible(page, 'with a file')
  assert.deepEqual(complaints, [])

  // Slow enough that the connection is cut in the middle of the file.
  const network = await page.context().newCDPSession(page)
  const connection = (offline: boolean, uploadThroughput = -1) =>
    network.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput })
  await connection(false, 40_000_000)
  await button(page, /^Import [\d.]+ MB/).click()
  const received = page.getByRole('progressbar', { name: 'Received' })
  await reached(page, 'Received', 20)
  await accessible(page, 'while sending')
  await connection(true)
  await page.getByText('Connection lost; trying again').waitFor()
  await connection(false)
  await reached(page, 'In the database', 20)
  await served.stop('SIGKILL')
  await page.getByText('The server does not answer').first().waitFor()
  served = await serve(folder, { PORT: String(served.port) })
  await page.getByText('The account balances').waitFor({ timeout: 90_000 })
  assert.equal(await received.count(), 0)
  await page.getByRole('table', { name: 'Refused records' }).waitFor()
  await accessible(page, 'with the receipt')

  const database = new DatabaseSync(join(folder, 'test.db'), { readOnly: true, timeout: 10_000 })
  const rows = () => Number(database.prepare('SELECT count(*) AS n FROM people').get()!['n'])
  const uploadId = new URL(page.url()).hash.split('/').at(-1)!
  const receipt = async () =>
    (
      (await (await fetch(`${served.url}/upload/${uploadId}/status`)).json()) as {
        receipt: { recordsRead: number; inserted: number; rejected: number }
      }
    ).receipt
  const first = await receipt()
  assert.equal(first.recordsRead, RECORDS)
  assert.equal(first.inserted + first.rejected, RECORDS)
  assert.equal(rows(), first.inserted)
  const columns = database.prepare("SELECT name FROM pragma_table_info('people')").all()
  assert.ok(columns.some(({ name }) => name === 'mail') && !columns.some(({ name }) => name === 'note'))

  await page.getByLabel(/^Column/).selectOption('id')
  const values = page.getByLabel(/^id in line/)
  for (const at of [0, 1, 2]) await values.nth(at).fill(String(RECORDS + 1 + at))
  await button(page, 'Load 3 corrected records').click()
  await page.getByText('3 records loaded.').waitFor()
  await page
    .getByText(new RegExp(`${(first.inserted + 3).toLocaleString('en')} inserted`))
    .first()
    .waitFor()
  const second = await receipt()
  assert.equal(second.inserted, first.inserted + 3)
  assert.equal(second.rejected, first.rejected - 3)
  assert.equal(rows(), second.inserted)
  await page.getByText('The account balances').waitFor()
  database.close()

  await page.getByRole('link', { name: 'All imports' }).click()
  await page.getByRole('link', { name: 'people.csv' }).waitFor()
  await accessible(page, 'the list')
  // What a browser says of a server that is killed, and nothing of the policy or of the page itself.
  assert.deepEqual(
    complaints.filter((one) => !/ERR_|WebSocket connection/.test(one)),
    [],
  )
  await served.stop()
})

test('what the page says is in the database is there, and no more than a second late', async () => {
  const folder = temporaryFolder()
  const served = await serve(folder)
  const { page } = await visit(browser, served.url)
  await page.setInputFiles('input[type=file]', sample(folder, 'watched.csv', 1_000_000))
  await button(page, /^Import [\d.]+ MB/).click()
  await reached(page, 'In the database', 1)
  using database = new DatabaseSync(join(folder, 'test.db'), { readOnly: true, timeout: 10_000 })
  await holdToProgress(page, () => Number(database.prepare('SELECT count(*) AS n FROM watched').get()!['n']))
  await served.stop()
})

test('names and cells are text, whatever they say', async () => {
  const folder = temporaryFolder()
  const served = await serve(folder)
  const { page, complaints } = await visit(browser, served.url)
  const hostile = '<img src=x onerror=alert(1)>'
  const csv = `id,"${hostile}"\n${Array.from({ length: 20 }, (_, i) => `${i},"${hostile}"\n`).join('')}x,=1+1\n`
  await page.setInputFiles('input[type=file]', {
    name: `${hostile}.csv`,
    mimeType: 'text/csv',
    buffer: Buffer.from(csv),
  })
  await page.getByRole('heading', { name: hostile }).waitFor()
  await page.getByLabel(/^Table/).fill('hostile')
  await page.getByLabel('Type of id').selectOption('integer')
  await button(page, /^Import /).click()
  await page.getByText('1 refused').first().waitFor()
  await button(page, /^Edit the record/).click()
  await page.getByLabel('id', { exact: true }).fill('99')
  await accessible(page, 'a record')
  await button(page, 'Keep the correction').click()
  await button(page, 'Load 1 corrected record').click()
  await page.getByText('1 record loaded.').waitFor()
  const database = new DatabaseSync(join(folder, 'test.db'), { readOnly: true })
  const row = database.prepare('SELECT * FROM hostile WHERE id = 99').get()!
  database.close()
  assert.equal(Object.values(row)[1], '=1+1')
  assert.equal(await page.locator('img').count(), 0)
  assert.deepEqual(complaints, [])
  await served.stop()
})

test('a profile of the server, a key of two columns, and equal rows loaded once', async () => {
  const folder = temporaryFolder()
  const profiles = join(folder, 'profiles')
  mkdirSync(profiles)
  writeFileSync(join(profiles, 'staff.json'), JSON.stringify({ table: 'staff', set: { source: 'profile' } }))
  const served = await serve(folder, { SLUICE_PROFILES: profiles })
  const { page } = await visit(browser, served.url)
  const choose = () =>
    page.setInputFiles('input[type=file]', {
      name: 'team.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from('year,team,name\n2025,red,Ada\n2026,red,Ada\n2026,red,Ada\n'),
    })
  await choose()
  await page.getByLabel('Key', { exact: true }).selectOption('year')
  await page.getByLabel('Key', { exact: true }).selectOption('team')
  await page.getByLabel('Column in the table for team').fill('squad')
  await button(page, 'Take squad out of the key').waitFor()
  await page.getByText('More choices').click()
  await page.getByLabel('Equal rows').selectOption('key')
  await accessible(page, 'with a key of two columns')
  await button(page, /^Import /).click()
  await page.getByText('3 records: 2 inserted, 1 duplicate, 0 refused.').first().waitFor()

  await page.getByRole('link', { name: 'Import a file' }).click()
  await choose()
  await page.getByLabel('Profile').selectOption('staff')
  await button(page, /^Import /).click()
  await page.getByText('3 records: 3 inserted, 0 refused.').first().waitFor()
  await page.getByRole('link', { name: 'Import a file' }).click()
  await choose()
  await page.getByLabel(/^Table/).fill('twins')
  await page.getByText('More choices').click()
  await page.getByLabel('Equal rows').selectOption('content:count')
  await button(page, /^Import /).click()
  await page.getByText('3 records: 3 inserted, 0 refused.').first().waitFor()
  await served.stop()
  using database = new DatabaseSync(join(folder, 'test.db'), { readOnly: true })
  const twins = database.prepare("SELECT count(*) AS n FROM twins WHERE content_hash LIKE '%:2'").get()
  assert.deepEqual({ ...twins }, { n: 1 })
  const [row] = database.prepare('SELECT count(*) AS n, min(source) AS source FROM staff').all()
  assert.deepEqual({ ...row }, { n: 3, source: 'profile' })
})

test('a load that is cancelled goes on where it stopped, and the focus stays in the page', async () => {
  const records = 600_000
  const folder = temporaryFolder()
  const served = await serve(folder)
  const { page } = await visit(browser, served.url)
  const focus = () => page.evaluate(() => document.activeElement?.id)
  page.on('dialog', (dialog) => void dialog.accept())
  await page.setInputFiles('input[type=file]', sample(folder, 'stopped.csv', records))
  assert.equal(await focus(), 'content')
  await button(page, /^Import [\d.]+ MB/).click()
  await reached(page, 'In the database', 1)
  assert.equal(await focus(), 'content')
  await button(page, 'Cancel').click()
  await button(page, 'Go on').waitFor()
  await page
    .getByText(/^Cancelled\. [\d,]+ records settled/)
    .first()
    .waitFor()
  await accessible(page, 'cancelled')
  using database = new DatabaseSync(join(folder, 'test.db'), { readOnly: true, timeout: 10_000 })
  const rows = () => Number(database.prepare('SELECT count(*) AS n FROM stopped').get()!['n'])
  const before = rows()
  assert.ok(before > 0 && before < records * 0.99)
  await button(page, 'Go on').click()
  await page.getByText('The account balances').waitFor({ timeout: 90_000 })
  await page.getByText(`${records.toLocaleString('en')} records: ${rows().toLocaleString('en')} inserted`).waitFor()
  assert.ok(rows() > before)
  await served.stop()
})

test('more refused than allowed: said without flags, and made good by corrections', async () => {
  const served = await serve(temporaryFolder())
  const { page } = await visit(browser, served.url)
  await page.setInputFiles('input[type=file]', {
    name: 'strict.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('id,name\n1,Ada\nx,Bo\n3,Cy\n'),
  })
  await page.getByLabel('Type of id').selectOption('integer')
  await page.getByText('More choices').click()
  await page.getByLabel(/^Refused rows allowed/).fill('0')
  await button(page, /^Import /).click()
  await page.getByText('1 of 3 records were refused, more than was allowed.').waitFor()
  await page.getByLabel('id in line 3').fill('2')
  await button(page, 'Load 1 corrected record').click()
  await page.getByText('1 record loaded.').waitFor()
  await button(page, 'Try again').click()
  await page.getByText('3 records: 3 inserted, 0 refused.').waitFor()
  await served.stop()
})

test('an upload that the server refuses half-way says why', async () => {
  const served = await serve(temporaryFolder())
  const { page } = await visit(browser, served.url)
  // As a proxy in front of the server would, whose limit is below that of the server.
  await page.route('**/files/*', (route) =>
    route.fulfill({ status: 413, json: { detail: 'The proxy takes 1 MB at most' } }),
  )
  await page.setInputFiles('input[type=file]', { name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('id\n1\n') })
  await button(page, /^Import /).click()
  await page.getByText('The proxy takes 1 MB at most').waitFor()
  assert.equal(await button(page, 'Pause').count(), 0)
  await accessible(page, 'refused half-way')
  await served.stop()
})

test('a server that cannot answer for a while is asked again', async () => {
  const served = await serve(temporaryFolder())
  const body = new FormData()
  body.append('table', 'people')
  body.append('file', new Blob(['id\n1\n2\n']), 'people.csv')
  const sent = await fetch(`${served.url}/upload?mode=direct`, { method: 'POST', body })
  const { uploadId } = (await sent.json()) as { uploadId: string }
  const { page } = await visit(browser, served.url)
  const refusals = [429, 503, 500]
  await page.route('**/status', (route) => {
    const status = refusals.shift()
    if (status === undefined) return route.continue()
    const document = { type: 'about:blank', title: 'later', status, detail: `not now: ${status}` }
    return route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify(document) })
  })
  await page.goto(`${served.url}/#/imports/${uploadId}`)
  await page.getByText('not now: 503').waitFor()
  await page.getByText('The account balances').waitFor()
  assert.deepEqual(refusals, [])
  await served.stop()
})

test('with keys the page is open, and asks for one before it shows anything', async () => {
  const served = await serve(temporaryFolder(), { SLUICE_API_KEYS: 'right-key-1234', HOST: '127.0.0.1' })
  const { page } = await visit(browser, `${served.url}/#/imports`)
  await page.getByRole('heading', { name: 'This server asks for a key' }).waitFor()
  await accessible(page, 'without a key')
  await page.getByLabel('API key').fill('wrong')
  await button(page, 'Enter').click()
  await page.getByText('The server does not know this key.').waitFor()
  await page.getByLabel('API key').fill('right-key-1234')
  await button(page, 'Enter').click()
  await page.getByRole('heading', { name: 'No imports yet' }).waitFor()
  await accessible(page, 'an empty list')
  await served.stop()
  await page.getByText('The server does not answer').first().waitFor({ timeout: 30_000 })
})

test('on a phone nothing is wider than the screen, in either colour', async () => {
  const served = await serve(temporaryFolder())
  const { page } = await visit(browser, served.url, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' })
  const width = () => page.evaluate(() => document.documentElement.scrollWidth)
  await page.setInputFiles('input[type=file]', {
    name: `${'a-name-without-a-space-'.repeat(3)}.csv`,
    mimeType: 'text/csv',
    buffer: Buffer.from('id,name\n1,Ada\n'),
  })
  await page.getByText('The one record would go in.').waitFor()
  await accessible(page, 'on a phone')
  assert.ok((await width()) <= 360)
  await button(page, /^Import /).click()
  await button(page, 'Copy link').waitFor()
  assert.ok((await width()) <= 360)
  await page.getByRole('link', { name: 'All imports' }).click()
  await page.getByRole('link', { name: /^a-name/ }).waitFor()
  assert.ok((await width()) <= 360)
  await served.stop()
})

test('the page is small, cached for long, and bound by a strict policy', async () => {
  const served = await serve(temporaryFolder())
  const scripts = globSync('assets/*.js', { cwd: PAGE })
  assert.ok(scripts.length > 0)
  const size = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(PAGE, name))).length, 0)
  assert.ok(size <= MOST_SCRIPT, `${size} bytes of script`)

  const index = await fetch(served.url)
  const policy = index.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe|\*/)
  assert.equal(index.headers.get('cache-control'), 'no-store')
  const script = await fetch(`${served.url}/${scripts[0]}`)
  assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8')
  assert.equal(script.headers.get('content-encoding'), 'gzip')
  assert.match(script.headers.get('cache-control')!, /max-age=31536000, immutable/)
  assert.equal((await fetch(`${served.url}/assets/..%2findex.html`)).status, 404)
  await served.stop()
})
