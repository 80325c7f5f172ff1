import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'

/** What the page shows of an import that goes on. */
interface Shown {
  settled: number
  refused: number
  byCode: number
}

interface Sample {
  from: number
  until: number
  shown: Shown
  rows: number
}

const shownBy = (page: Page): Promise<Shown | undefined> =>
  page.evaluate(() => {
    const numbers = (selector: string) =>
      [...document.querySelectorAll(selector)].map(({ textContent }) => Number(textContent.replaceAll(',', '')))
    const [settled, refused] = numbers('.figure dd')
    if (settled === undefined || refused === undefined) return undefined
    return { settled, refused, byCode: numbers('.codes-count').reduce((sum, n) => sum + n, 0) }
  })

/**
 * Holds a page that watches an import into a fresh table to what is there, until the import is over: what it says is never ahead of the
 * rows, nor more than a second behind them, and all that are refused are told by their code.
 * @param rowsOf counts the rows of the table
 */
export async function holdToProgress(page: Page, rowsOf: () => number | Promise<number>): Promise<void> {
  const samples: Sample[] = []
  for (;;) {
    const from = performance.now()
    const shown = await shownBy(page)
    if (!shown) break
    const rows = await rowsOf()
    samples.push({ from, until: performance.now(), shown, rows })
    await delay(20)
  }
  assert.ok(samples.length >= 10, `${samples.length} samples`)
  // On a machine that many use at once a look by itself takes long.
  const look = Math.max(...samples.map(({ from, until }) => until - from))
  for (const { from, shown, rows } of samples) {
    const said = shown.settled - shown.refused
    assert.ok(said <= rows, `${said} are shown, ${rows} are there`)
    const before = samples.findLast(({ until }) => until <= from - 1_000 - look)?.rows ?? 0
    assert.ok(said >= before, `${said} are shown, ${before} were there a second before`)
  }
  // The figures come by the socket, the codes with the status that is asked for each second.
  for (const { from, shown } of samples) {
    const before = samples.findLast(({ until }) => until <= from - 2_000 - look)?.shown.refused ?? 0
    assert.ok(shown.byCode >= before, `${shown.byCode} by code, ${before} were refused two seconds before`)
  }
  assert.ok(samples.some(({ shown }) => shown.byCode > 0))
}
