import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { generate } from '../../sluice/src/generate/generate.ts'

/** The chromium of the operating system, without a window. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // In a container its own cage needs rights that one does not have there, and /dev/shm is small.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  })
}

export interface Opened {
  page: Page
  /** What the browser complained of, violations of the policy among it. */
  complaints: string[]
}

/** A page of a fresh visitor, whose complaints are noted from its first line on. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en', ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`policy: ${violatedDirective} ${blockedURI}`),
    )
  })
  await page.goto(url)
  return { page, complaints }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds that is serious or critical, as `rule: selector`. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // By the debugger, which the policy of the page does not bind.
  await page.evaluate(AXE)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: { id: string; impact: string; nodes: { target: string[]; any: { message: string }[] }[] }[]
        }>
      }
    }
    const { violations } = await axe.run()
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, any }) => `${id}: ${target.join(' ')} (${any[0]?.message ?? ''})`),
      )
  })
}

/** A file of `rows` records, one in a hundred of them bad. */
export function sample(folder: string, name: string, rows: number): string {
  const path = join(folder, name)
  const file = openSync(path, 'w')
  for (const piece of generate({ rows, bad: rows / 100, duplicates: 0, seed: 7 })) writeSync(file, piece)
  closeSync(file)
  return path
}

/** Waits until a bar stands at `percent` or beyond. */
export const reached = (page: Page, bar: string, percent: number) =>
  page.waitForFunction(
    ([name, least]) => {
      const shown = document.querySelector(`[role=progressbar][aria-label="${name}"]`)?.getAttribute('aria-valuenow')
      return Number(shown) >= least
    },
    [bar, percent] as const,
  )
