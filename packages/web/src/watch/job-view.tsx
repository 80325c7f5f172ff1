import { useEffect, useState } from 'react'
import { type ApiError, cancelUpload, isActive, retryUpload, type Status } from '../api.ts'
import { failureOf } from '../failure.ts'
import { Notice } from '../parts/notice.tsx'
import { StateBadge } from '../parts/state-badge.tsx'
import { ReceiptView } from '../result/receipt-view.tsx'
import { RejectsView } from '../result/rejects-view.tsx'
import { focusContent, paths } from '../route.ts'
import { texts } from '../texts.ts'
import { giveUp, type Transfer, useTransfer } from '../upload/transfers.ts'
import { ProgressView } from './progress-view.tsx'
import { useUpload } from './use-upload.ts'

/** One import, from its first byte to its receipt. */
export function JobView({ uploadId }: { uploadId: string }) {
  const watched = useUpload(uploadId)
  const transfer = useTransfer(uploadId)
  const { status, error } = watched
  const [trouble, setTrouble] = useState('')
  // The last reject that is repaired must not take away the words that say so.
  const [repaired, setRepaired] = useState(false)

  useEffect(() => {
    if (status) document.title = `${status.fileName} · ${texts.product}`
  }, [status])

  const repairedNow = (): void => {
    setRepaired(true)
    watched.refresh()
  }
  const act = (action: () => Promise<unknown>) => async () => {
    setTrouble('')
    try {
      await action()
      // What was pressed is gone with the state it belonged to.
      focusContent()
    } catch (thrown) {
      setTrouble((thrown as Error).message)
    }
    watched.refresh()
  }
  const cancel = act(async () => {
    if (status?.status === 'receiving' && transfer) {
      await giveUp(uploadId)
      location.hash = paths.import
    } else await cancelUpload(uploadId)
  })

  if (!status) return error && error.status !== 0 ? <Missing error={error} /> : <Loading />
  return (
    <article className="job">
      <Head status={status} transfer={transfer} />
      {trouble && <Notice tone="bad" title={trouble} />}
      {transfer?.state === 'failed' && (
        <Notice tone="bad" title={texts.watch.events.refused}>
          <p className="notice-detail">{transfer.error}</p>
        </Notice>
      )}
      <p className="visually-hidden" role="status">
        {isActive(status.status)
          ? texts.watch.live(texts.states[status.status], roughly(status.rowsProcessed), roughly(status.rowsFailed))
          : texts.watch.live(texts.states[status.status], status.rowsProcessed, status.rowsFailed)}
      </p>
      {status.status === 'failed' && <Stopped status={status} retry={act(() => retryUpload(uploadId))} />}
      {status.status === 'cancelled' && (
        <Notice
          tone="calm"
          title={texts.states.cancelled}
          actions={<RetryButton retry={act(() => retryUpload(uploadId))} resume />}
        >
          <p>{texts.result.cancelledHint}</p>
        </Notice>
      )}
      {isActive(status.status) ? (
        <ProgressView
          watched={watched}
          status={status}
          transfer={transfer}
          cancel={() => confirm(texts.watch.cancelSure) && void cancel()}
        />
      ) : (
        <ReceiptView status={status} />
      )}
      {!isActive(status.status) && (status.rowsFailed > 0 || repaired) && (
        <RejectsView status={status} refresh={repairedNow} />
      )}
    </article>
  )
}

/** So that a screen reader hears of progress now and then, not of every row. */
const roughly = (n: number): number =>
  n < 10 ? n : Math.floor(n / 10 ** (`${n}`.length - 1)) * 10 ** (`${n}`.length - 1)

function Head({ status, transfer }: { status: Status; transfer: Transfer | undefined }) {
  const onTheWay = status.status === 'receiving' && (transfer?.state === 'paused' || transfer?.state === 'retrying')
  return (
    <header className="job-head">
      <div>
        <h1>{status.fileName}</h1>
        {status.table && <p className="job-table">{texts.result.into(status.table)}</p>}
      </div>
      <StateBadge state={onTheWay ? (transfer.state as 'paused' | 'retrying') : status.status} />
    </header>
  )
}

function Stopped({ status, retry }: { status: Status; retry: () => void }) {
  const { why, hint } = failureOf(status)
  return (
    <Notice
      tone="bad"
      title={texts.result.failedTitle}
      actions={status.mode === 'staged' && <RetryButton retry={retry} />}
    >
      <p className="notice-detail">{why}</p>
      <p>{hint}</p>
    </Notice>
  )
}

function RetryButton({ retry, resume = false }: { retry: () => void; resume?: boolean }) {
  return (
    <button type="button" className="button" onClick={retry}>
      {resume ? texts.result.resume : texts.result.retry}
    </button>
  )
}

function Missing({ error }: { error: ApiError }) {
  const gone = error.status === 404
  return (
    <Notice
      tone="calm"
      title={gone ? texts.errors.missing : texts.errors.title}
      actions={
        <a className="button" href={paths.jobs}>
          {texts.errors.back}
        </a>
      }
    >
      <p>{gone ? texts.errors.missingHint : error.message}</p>
    </Notice>
  )
}

function Loading() {
  return (
    <div className="skeleton" aria-hidden="true">
      <div className="skeleton-line wide" />
      <div className="skeleton-line" />
      <div className="skeleton-block" />
    </div>
  )
}
