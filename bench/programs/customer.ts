/** What a careful pipeline of csv-parse does with a row: the same checks and conversions as the sample's schema. */

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/
const AMERICAN_DATE = /^(\d\d)\/(\d\d)\/(\d{4})$/
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const AMOUNT = /^[+-]?\d{1,10}(\.\d{1,2})?$/
const BOOLEANS: Record<string, string> = {
  true: 't',
  t: 't',
  yes: 't',
  y: 't',
  1: 't',
  false: 'f',
  f: 'f',
  no: 'f',
  n: 'f',
  0: 'f',
}

/** The values of a row for PostgreSQL, or undefined for a bad one. */
export function convert(row: string[]): string[] | undefined {
  if (row.length !== 11) return undefined
  const [id, code, first, last, email, phone, signup, amount, country, note, active] = row as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const number = Number(id)
  if (!Number.isInteger(number) || number < 1 || number > 2_147_483_647) return undefined
  const address = email.trim().toLowerCase()
  const date = isoDate(signup.trim())
  const boolean = BOOLEANS[active.trim().toLowerCase()]
  if (!(UUID.test(code) && EMAIL.test(address) && date && AMOUNT.test(amount) && boolean)) return undefined
  if (first.length > 100 || last.length > 100 || phone.length > 30 || country.length > 2) return undefined
  return [id, code, first, last, address, phone, date, amount, country, note, boolean]
}

function isoDate(text: string): string | undefined {
  const iso = DATE.exec(text)
  if (iso) return exists(Number(iso[1]), Number(iso[2]), Number(iso[3])) ? text : undefined
  const american = AMERICAN_DATE.exec(text)
  if (!american) return undefined
  const [, month, day, year] = american
  return exists(Number(year), Number(month), Number(day)) ? `${year}-${month}-${day}` : undefined
}

function exists(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}
