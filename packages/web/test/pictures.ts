/** `npm run pictures`: takes the pictures of docs/images anew, each state of the page once, and packs them by pngquant. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { command } from '../../../scripts/commands.ts'
import { generate } from '../../sluice/src/generate/generate.ts'
import { serve } from '../../sluice/test/serve.ts'
import { openBrowser, visit } from './browser.ts'

const IMAGES = join(import.meta.dirname, '../../../docs/images')
const WIDE = { width: 1180, height: 800 }
const PHONE = { width: 390, height: 780 }

const pngquant = command('pngquant', 'pngquant')
mkdirSync(IMAGES, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'sluice-pictures-'))
const served = await serve(folder)
const locked = await serve(mkdtempSync(join(folder, 'locked-')), {
  SLUICE_API_KEYS: 'a-key-of-its-own',
  HOST: '127.0.0.1',
})
const browser = await openBrowser()

async function picture(page: Page, name: string): Promise<void> {
  await page.waitForTimeout(400)
  const path = join(IMAGES, `page-${name}.png`)
  await page.screenshot({ path })
  execFileSync(pngquant, ['--force', '--strip', '--speed', '1', '--output', path, '32', path])
  console.log(path)
}

function sample(name: string, rows: number): string {
  const path = join(folder, name)
  writeFileSync(path, Buffer.concat([...generate({ rows, bad: Math.round(rows / 100), duplicates: 0, seed: 5 })]))
  return path
}

async function look(page: Page, file: string): Promise<void> {
  await page.goto(`${served.url}/#/imports`)
  await page.goto(`${served.url}/#/`)
  await page.setInputFiles('input[type=file]', file)
  await page.getByText(/records would/).waitFor()
}

async function load(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Import / }).click()
  await page.getByText('The account balances').waitFor({ timeout: 90_000 })
  await page.getByRole('table', { name: 'Refused records' }).waitFor()
}

try {
  const { page } = await visit(browser, served.url, { colorScheme: 'light', viewport: WIDE })
  await picture(page, 'start')
  await page.goto(`${served.url}/#/imports`)
  await page.getByText('No imports yet').waitFor()
  await picture(page, 'empty')

  const customers = sample('customers.csv', 8_000)
  await look(page, customers)
  await page.getByLabel('Type of id').selectOption('integer')
  await page.getByLabel('Type of amount').selectOption('number')
  await page.getByLabel('Type of email').selectOption('email')
  await page.getByLabel(/^Key/).selectOption('id')
  await page
    .getByText(/is not a number/)
    .first()
    .waitFor()
  await picture(page, 'map')
  await load(page)
  await page.locator('.cell-input').first().fill('4711')
  await picture(page, 'result')
  await page
    .getByRole('button', { name: /^Edit the record/ })
    .nth(1)
    .click()
  await picture(page, 'record')
  await page.keyboard.press('Escape')

  const orders = sample('orders-2026.csv', 600_000)
  await look(page, orders)
  await page.getByRole('button', { name: /^Import / }).click()
  await page.waitForFunction(
    () => Number(document.querySelector('[aria-label="In the database"]')?.getAttribute('aria-valuenow')) >= 45,
  )
  await picture(page, 'watch')
  await page.getByText('The account balances').waitFor({ timeout: 90_000 })

  sample('bad.csv', 100)
  await look(page, join(folder, 'bad.csv'))
  await page.getByText('More choices').click()
  await page.getByLabel(/^Refused rows allowed/).fill('0')
  await page.getByLabel('Type of amount').selectOption('integer')
  await page.getByRole('button', { name: /^Import / }).click()
  await page.getByText('The load stopped').waitFor()
  await picture(page, 'failed')
  await page.getByRole('link', { name: 'All imports' }).click()
  await page.getByRole('link', { name: 'customers.csv' }).waitFor()
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, 'list')
  await page.getByRole('link', { name: 'customers.csv' }).click()
  await page.getByRole('table', { name: 'Refused records' }).waitFor()
  await page.setViewportSize(PHONE)
  await picture(page, 'phone')
  await page.emulateMedia({ colorScheme: 'light' })
  await look(page, customers)
  await picture(page, 'phone-map')
  await page.setViewportSize(WIDE)
  await page.goto(`${served.url}/#/imports`)
  await page.getByRole('link', { name: 'customers.csv' }).waitFor()
  await served.stop()
  await page.getByText('The server does not answer').waitFor({ timeout: 30_000 })
  await picture(page, 'offline')

  const other = await visit(browser, `${locked.url}/#/imports`, { colorScheme: 'light', viewport: WIDE })
  await other.page.getByLabel('API key').waitFor()
  await picture(other.page, 'key')
} finally {
  await browser.close()
  await Promise.all([served.stop(), locked.stop()])
  rmSync(folder, { recursive: true, force: true })
}
