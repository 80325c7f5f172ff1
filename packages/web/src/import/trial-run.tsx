import { useEffect, useState } from 'react'
import { ApiError, type DryRun, dryRun } from '../api.ts'
import { inWordsOfPage } from '../failure.ts'
import { texts } from '../texts.ts'
import type { View } from './plan.ts'

/** While someone types, their settings are none yet. */
const PAUSE_MS = 400
const SHOWN = 5

type Outcome = { kind: 'running' | 'off' } | { kind: 'done'; run: DryRun } | { kind: 'refused'; why: string }

/** What would be refused of the first records, as the server itself judges. */
export function TrialRun({ view, settings }: { view: View; settings: Record<string, string[]> }) {
  const [outcome, setOutcome] = useState<Outcome>({ kind: 'running' })
  const said = JSON.stringify(settings)

  useEffect(() => {
    const gone = new AbortController()
    setOutcome({ kind: 'running' })
    const timer = setTimeout(() => {
      const { encoding: _, ...rest } = JSON.parse(said) as Record<string, string[]>
      // What the browser read is text in UTF-8, and a line for each object.
      const asked = view.format === 'delimited' ? rest : { ...rest, format: ['ndjson'] }
      dryRun(view.whole, asked, gone.signal).then(
        (run) => setOutcome({ kind: 'done', run }),
        (error: Error) => {
          if (gone.signal.aborted) return
          const refused = error instanceof ApiError && [400, 403, 422].includes(error.status)
          setOutcome(refused ? { kind: 'refused', why: inWordsOfPage(error.message) } : { kind: 'off' })
        },
      )
    }, PAUSE_MS)
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [view, said])

  return (
    <section className="panel trial" aria-live="polite">
      <h2>{texts.dryRun.title}</h2>
      <Result outcome={outcome} />
    </section>
  )
}

function Result({ outcome }: { outcome: Outcome }) {
  const { dryRun: words } = texts
  if (outcome.kind === 'running') return <p className="hint loading">{words.running}</p>
  if (outcome.kind === 'refused') {
    return (
      <>
        <p className="bad strong">{words.cannot}</p>
        <p className="trial-why">{outcome.why}</p>
      </>
    )
  }
  if (outcome.kind !== 'done') return <p className="hint">{words.off}</p>
  const { recordsRead, rejected, rejects } = outcome.run
  if (rejected === 0) return <p className="good strong">{words.fine(recordsRead)}</p>
  return (
    <>
      <p className="bad strong">{words.some(rejected, recordsRead)}</p>
      <ul className="trial-rejects">
        {rejects.slice(0, SHOWN).map(({ record, line, errors: [first] }) => (
          <li key={record}>
            <span className="trial-line">{words.line(line)}</span>
            {first?.column && <strong>{first.column}</strong>} {first?.message}
          </li>
        ))}
      </ul>
      {rejected > SHOWN && <p className="hint">{words.more(rejected - Math.min(SHOWN, rejects.length))}</p>}
    </>
  )
}
