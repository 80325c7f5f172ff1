import { useState } from 'react'
import type { Status } from '../api.ts'
import { paths } from '../route.ts'
import { texts } from '../texts.ts'

const PARTS = ['inserted', 'updated', 'unchanged', 'duplicates', 'rejected'] as const

/** The account of an import in words, and as one bar of what became of its records. */
export function ReceiptView({ status }: { status: Status }) {
  const { receipt, rowsProcessed, rowsFailed } = status
  const sum = receipt ? PARTS.reduce((total, part) => total + receipt[part], 0) : 0
  const balances = receipt !== undefined && sum === receipt.recordsRead
  return (
    <section className="panel receipt" aria-label={texts.states[status.status]}>
      <p className="receipt-words">
        {receipt
          ? texts.result.sentence(receipt as unknown as Record<string, number>)
          : texts.watch.live(texts.states[status.status], rowsProcessed, rowsFailed)}
      </p>
      {receipt && receipt.recordsRead > 0 && (
        <>
          <div className="receipt-bar" aria-hidden="true">
            {PARTS.map((part) => (
              <span key={part} className={part} style={{ flexGrow: receipt[part] }} hidden={receipt[part] === 0} />
            ))}
          </div>
          <ul className="receipt-legend" aria-hidden="true">
            {PARTS.filter((part) => receipt[part] > 0).map((part) => (
              <li key={part} className={part}>
                {texts.result.parts[part]}
              </li>
            ))}
          </ul>
        </>
      )}
      <div className="receipt-foot">
        <p className="hint">
          {receipt && <span>{texts.result.took(receipt.elapsedMs, receipt.rowsPerSecond)}</span>}
          {receipt && (
            <span className={balances ? 'good' : 'bad'}>{balances ? texts.result.balances : texts.result.doesNot}</span>
          )}
          {status.sameAs && <a href={paths.job(status.sameAs)}>{texts.result.same}</a>}
        </p>
        <ShareButton />
        <a className="button" href={paths.import}>
          {texts.result.another}
        </a>
      </div>
    </section>
  )
}

function ShareButton() {
  const [shared, setShared] = useState(false)
  const share = async (): Promise<void> => {
    await navigator.clipboard.writeText(location.href)
    setShared(true)
    setTimeout(() => setShared(false), 3_000)
  }
  // Only pages of a safe origin may write to the clipboard.
  if (!('clipboard' in navigator)) return null
  return (
    <>
      <button type="button" className="button quiet" onClick={share}>
        {shared ? texts.result.shared : texts.result.share}
      </button>
      <span className="visually-hidden" role="status">
        {shared && texts.result.shared}
      </span>
    </>
  )
}
