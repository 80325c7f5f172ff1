/** What a system has to show: each demand with its place in the document that makes it, and the evidence for it. */

/** A demand in our own words, and where the document names it. */
export type Demands<Id extends string> = Record<Id, [place: string, text: string]>

/** `replaced`: sluice has another part in its place, which the evidence compares. `too small`: the run was too short to judge by the clock. */
type Outcome = 'pass' | 'fail' | 'replaced' | 'too small'

interface Verdict {
  id: string
  place: string
  text: string
  outcome: Outcome
  evidence: string
}

/** How much higher the last quarter of a load may be than its second, in bytes. */
const GROWTH = 10 * 2 ** 20
/** Rows from which time and memory are those of loading, and not of starting a process. */
const LEAST_ROWS = 100_000

export class Acceptance<Id extends string> {
  readonly #demands: Demands<Id>
  readonly #verdicts = new Map<Id, Verdict>()

  constructor(demands: Demands<Id>) {
    this.#demands = demands
  }

  /** A part of the run that these demands wait for. What it throws is the reason why they have failed; the run goes on. */
  async scenario(ids: Id[], run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      for (const id of ids) this.judge(id, false, `ended by ${(error as Error).message.slice(0, 500)}`)
    }
  }

  /** Of several judgements of one demand all have to hold. */
  judge(id: Id, holds: boolean, evidence: string): void {
    this.#note(id, holds ? 'pass' : 'fail', evidence)
  }

  /** @param decision number of the record in docs/decisions, or another place where the reason stands */
  replaced(id: Id, holds: boolean, decision: string, evidence: string): void {
    this.#note(id, holds ? 'replaced' : 'fail', `${evidence} (${decision})`)
  }

  /** {@link replaced} where the clock decides, as in {@link timed}. */
  replacedByTime(id: Id, rows: number, holds: boolean, decision: string, evidence: string): void {
    if (rows < LEAST_ROWS) this.#note(id, 'too small', evidence)
    else this.replaced(id, holds, decision, evidence)
  }

  /** What the clock decides: in a small run that is the start of processes, and what else the machine does. */
  timed(id: Id, rows: number, holds: boolean, evidence: string): void {
    this.#note(id, rows < LEAST_ROWS ? 'too small' : holds ? 'pass' : 'fail', evidence)
  }

  /** The kernel in the place of a parser that makes objects, by the rates of whole loads with either. */
  parser(id: Id, rows: number, ours: number, theirs: number): void {
    const evidence = `the kernel scans bytes: ${count(ours)} rows/s end to end, csv-parse and INSERT ${count(theirs)}`
    this.replacedByTime(id, rows, ours > theirs, 'decisions 0001, 0007', evidence)
  }

  /** A rate of at least so many rows a second. */
  rate(id: Id, rows: number, seconds: number, floor: number): void {
    const rate = rows / seconds
    const evidence = `${count(rows)} rows in ${seconds.toFixed(1)} s: ${count(rate)} rows/s, wanted ${count(floor)}`
    this.timed(id, rows, rate >= floor, evidence)
  }

  /** All of the statements that brought rows in are COPY. */
  copied(id: Id, statements: string[]): void {
    const copies = statements.filter((text) => /^COPY .* FROM STDIN/is.test(text)).length
    const evidence = `a trigger saw ${statements.length} statements bring rows in, ${copies} of them COPY … FROM STDIN`
    this.judge(id, copies > 0 && copies === statements.length, evidence)
  }

  /** Memory that does not grow while so many rows are loaded. `quarters`: the highest of each, in bytes. */
  flat(id: Id, rows: number, quarters: number[]): void {
    const evidence = `quarters of the time: ${quarters.map(megabytes).join(', ')}`
    if (rows < LEAST_ROWS) this.#note(id, 'too small', evidence)
    else this.judge(id, quarters[3]! <= quarters[1]! + GROWTH, evidence)
  }

  /** Every demand in its order; one without evidence has failed. */
  verdicts(): Verdict[] {
    return (Object.entries(this.#demands) as [Id, [string, string]][]).map(
      ([id, [place, text]]) =>
        this.#verdicts.get(id) ?? { id, place, text, outcome: 'fail', evidence: 'nothing was seen of it' },
    )
  }

  #note(id: Id, outcome: Outcome, evidence: string): void {
    const before = this.#verdicts.get(id)
    const [place, text] = this.#demands[id]
    this.#verdicts.set(id, {
      id,
      place,
      text,
      outcome: before?.outcome === 'fail' ? 'fail' : outcome,
      evidence: before ? `${before.evidence}; ${evidence}` : evidence,
    })
  }
}

export type { Verdict }

/** As a table of Markdown, which a terminal shows well enough. */
export function verdictTable(verdicts: Verdict[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  const rows = verdicts.map(({ id, place, text, outcome, evidence }) => [id, place, text, evidence, outcome].map(cell))
  return [['', 'place', 'demand', 'evidence', 'outcome'], ['---', '---', '---', '---', '---'], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

export function count(number: number): string {
  return Math.round(number).toLocaleString('en')
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}
