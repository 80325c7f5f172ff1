import type { Status } from '../api.ts'
import { bytes, count, duration } from '../format.ts'
import { Bar } from '../parts/bar.tsx'
import { texts } from '../texts.ts'
import { pause, resume, type Transfer } from '../upload/transfers.ts'
import { RateChart } from './rate-chart.tsx'
import type { Watched } from './use-upload.ts'

/** An import that goes on: what arrived, what is in the database, how fast, and what was refused so far. */
export function ProgressView({ watched, status, transfer, cancel }: ProgressProps) {
  const { speed, log } = watched
  const receiving = status.status === 'receiving'
  const total = transfer?.total ?? status.bytesTotal ?? 0
  const received = receiving ? (transfer?.sent ?? 0) : total
  const rate = speed.rate.at(-1) ?? 0
  const events = [...(transfer?.log ?? []), ...log].sort((a, b) => a.at - b.at)
  return (
    <>
      <section className="panel bars" aria-label={texts.states[status.status]}>
        <Bar
          label={texts.watch.received}
          share={total ? received / total : 0}
          detail={total ? `${bytes(received)} / ${bytes(total)}` : ''}
          busy={receiving && transfer?.state === 'sending'}
        />
        <Bar
          label={texts.watch.committed}
          share={status.progress}
          detail={total ? `${bytes(status.bytesCommitted)} / ${bytes(total)}` : ''}
          busy={status.status === 'processing'}
        />
        <p className="hint">{hintOf(receiving, transfer)}</p>
        <div className="bars-actions">
          {receiving && transfer && !['sent', 'failed'].includes(transfer.state) && (
            <button
              type="button"
              className="button"
              onClick={() => (transfer.state === 'paused' ? resume(status.uploadId) : void pause(status.uploadId))}
            >
              {transfer.state === 'paused' ? texts.watch.resume : texts.watch.pause}
            </button>
          )}
          <button type="button" className="button quiet" onClick={cancel}>
            {texts.watch.cancel}
          </button>
        </div>
      </section>
      <dl className="figures">
        <Figure name={texts.watch.rows} value={count(status.rowsProcessed)} />
        <Figure name={texts.watch.failed} value={count(status.rowsFailed)} tone={status.rowsFailed > 0 ? 'bad' : ''} />
        <Figure name={texts.watch.speed} value={speed.rate.length > 0 ? count(Math.round(rate)) : '–'} />
        <Figure name={texts.watch.eta} value={watched.eta === null ? '–' : duration(watched.eta)} />
      </dl>
      <div className="watch-grid">
        <section className="panel">
          <h2>{texts.watch.chart}</h2>
          {speed.at.length > 0 ? (
            <RateChart at={speed.at} rate={speed.rate} />
          ) : (
            <p className="hint">{texts.watch.noChart}</p>
          )}
        </section>
        <section className="panel">
          <h2>{texts.watch.byCode}</h2>
          <Codes codes={status.rejectsByCode ?? {}} />
        </section>
        {events.length > 0 && (
          <section className="panel log">
            <h2>{texts.watch.log}</h2>
            <ol>
              {events.map(({ at, text }) => (
                <li key={`${at}${text}`}>
                  <time>{new Date(at).toLocaleTimeString('en', { hour12: false })}</time>
                  {text}
                </li>
              ))}
            </ol>
          </section>
        )}
      </div>
    </>
  )
}

interface ProgressProps {
  watched: Watched
  status: Status
  transfer: Transfer | undefined
  cancel: () => void
}

function hintOf(receiving: boolean, transfer: Transfer | undefined): string {
  if (!receiving) return texts.watch.sentOnly
  return transfer && transfer.state !== 'failed' ? texts.watch.keepOpen : texts.watch.elsewhere
}

function Figure({ name, value, tone = '' }: { name: string; value: string; tone?: string }) {
  return (
    <div className={`figure ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function Codes({ codes }: { codes: Record<string, number> }) {
  const rows = Object.entries(codes).sort((a, b) => b[1] - a[1])
  if (rows.length === 0) return <p className="hint">{texts.watch.nothingYet}</p>
  const most = rows[0]![1]
  return (
    <ul className="codes">
      {rows.map(([code, n]) => (
        <li key={code}>
          <span>{texts.codes[code] ?? code}</span>
          <span className="codes-count">{count(n)}</span>
          <span className="codes-bar" style={{ width: `${(n / most) * 100}%` }} />
        </li>
      ))}
    </ul>
  )
}
