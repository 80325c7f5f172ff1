import type { RejectCode } from '@sluice/engine'
import type { Random } from './random.ts'

/** The cells of a record as they stand in the file, in the order of the header. */
export type Cells = [
  id: string,
  code: string,
  first: string,
  last: string,
  email: string,
  phone: string,
  date: string,
  amount: string,
  country: string,
  note: string,
  active: string,
]

interface Damage {
  /** The code of every error the record then has. */
  code: RejectCode
  /** The whole record without its line end. */
  apply(cells: Cells, random: Random): string | Buffer
}

const change = (code: RejectCode, edit: (cells: Cells, random: Random) => void): Damage => ({
  code,
  apply(cells, random) {
    edit(cells, random)
    return cells.join(',')
  },
})

const BAD_DATES = ['2023-13-45', '2023-02-30', '02/29/2023', '13/01/2024', 'yesterday', '2024-00-10']
const BAD_AMOUNTS = ['12.34.5', '1.2e', '--5.00', '$12.50', '12_34']
const BAD_BOOLEANS = ['maybe', '2', 'tru', 'oui']

/**
 * Every way in which a record can be bad for its schema or for the grammar of delimited files. Each result is exactly
 * one bad record that leaves its neighbours alone; so a quote is never left open, which would, for most readers, swallow
 * the lines after it.
 */
export const DAMAGES: Damage[] = [
  change('type-error', (cells) => {
    cells[0] = `x${cells[0]}`
  }),
  {
    // Before the note, which might have a delimiter or a newline in its quotes.
    code: 'missing-cell',
    apply: (cells, random) => cells.slice(0, 2 + random.below(8)).join(','),
  },
  change('type-error', (cells, random) => {
    cells[6] = BAD_DATES[random.below(BAD_DATES.length)]!
  }),
  change('type-error', (cells) => {
    cells[4] = cells[4].replace('@', ' at ')
  }),
  change('type-error', (cells, random) => {
    cells[7] = BAD_AMOUNTS[random.below(BAD_AMOUNTS.length)]!
  }),
  {
    code: 'extra-cell',
    apply: (cells, random) => cells.join(',') + ',extra'.repeat(1 + random.below(3)),
  },
  {
    code: 'quote-error',
    apply: (cells) => [...cells.slice(0, 9), '"called, no answer" again', cells[10]].join(','),
  },
  change('type-error', (cells, random) => {
    cells[10] = BAD_BOOLEANS[random.below(BAD_BOOLEANS.length)]!
  }),
  change('type-error', (cells) => {
    cells[1] = cells[1].slice(0, -1)
  }),
  {
    // The name as Latin-1 would write it.
    code: 'encoding-error',
    apply: (cells) =>
      Buffer.concat([
        Buffer.from(`${cells[0]},${cells[1]},Jos`),
        Buffer.of(0xe9),
        Buffer.from(`,${cells.slice(3).join(',')}`),
      ]),
  },
  change('constraint-error', (cells) => {
    cells[0] = ''
  }),
  change('constraint-error', (cells) => {
    cells[0] = `-${cells[0]}`
  }),
  change('constraint-error', (cells) => {
    cells[8] = `${cells[8]}X`
  }),
  change('constraint-error', (cells) => {
    cells[3] = 'Wolfe'.repeat(21)
  }),
  change('type-error', (cells) => {
    cells[0] = `99999999999999999999${cells[0]}`
  }),
]
