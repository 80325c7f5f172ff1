import { useEffect, useMemo, useRef, useState } from 'react'
import { download, rejectsPath, replayRejects, type Status } from '../api.ts'
import { count } from '../format.ts'
import { Notice } from '../parts/notice.tsx'
import { texts } from '../texts.ts'
import { RecordDialog } from './record-dialog.tsx'
import { correctionsCsv, fetchRejects, MOST_REJECTS, type RejectRow, type Rejects } from './rejects.ts'
import { type Group, RejectsTable } from './rejects-table.tsx'

type Edited = Map<string, Map<number, string>>

/** The refused records: found, corrected in place, and loaded again. */
export function RejectsView({ status, refresh }: { status: Status; refresh: () => void }) {
  const { uploadId } = status
  // The tray goes with its last correction, and the focus must not go with it.
  const place = useRef<HTMLElement>(null)
  const [rejects, setRejects] = useState<Rejects>()
  const [round, setRound] = useState(0)
  const [trouble, setTrouble] = useState('')
  const [said, setSaid] = useState('')
  const [edits, setEdits] = useState<Edited>(new Map())
  const [open, setOpen] = useState<RejectRow>()
  const [busy, setBusy] = useState(false)
  const [filter, setFilter] = useState({ code: '', column: '', search: '', group: 'none' as Group })

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round fetches again
  useEffect(() => {
    const gone = new AbortController()
    fetchRejects(uploadId, gone.signal).then(setRejects, (error: Error) => {
      if (!gone.signal.aborted) setTrouble(error.message)
    })
    return () => gone.abort()
  }, [uploadId, round])

  const shown = useMemo(() => (rejects ? filtered(rejects.rows, filter) : []), [rejects, filter])
  const codes = useMemo(() => tally(rejects?.rows ?? [], ({ code }) => code), [rejects])
  const columns = useMemo(() => tally(rejects?.rows ?? [], ({ column }) => column), [rejects])

  const edit = (row: RejectRow, changes: ReadonlyMap<number, string>): void =>
    setEdits((old) => {
      const kept = new Map([...changes].filter(([i, text]) => text !== row.cells[i]?.text))
      const all = new Map(old)
      if (kept.size > 0) all.set(row.record, kept)
      else all.delete(row.record)
      return all
    })
  const replay = async (): Promise<void> => {
    setBusy(true)
    setTrouble('')
    try {
      const { replay: done } = await replayRejects(uploadId, correctionsCsv(rejects!, edits))
      setSaid(texts.rejects.done(done.loaded, done.refused))
      setEdits(new Map())
      place.current?.focus()
      setRound((n) => n + 1)
      refresh()
    } catch (error) {
      setTrouble((error as Error).message)
    } finally {
      setBusy(false)
    }
  }
  const discard = (): void => {
    setEdits(new Map())
    place.current?.focus()
  }
  const fetchFile = (form: 'csv' | 'ndjson') => async () => {
    await download(rejectsPath(uploadId, form), `rejects-${uploadId}.${form}`).catch((error: Error) =>
      setTrouble(error.message),
    )
  }

  return (
    <section className="rejects" aria-labelledby="rejects-title" ref={place} tabIndex={-1}>
      <header className="section-head">
        <div>
          <h2 id="rejects-title">{texts.rejects.title}</h2>
          <p className="hint">{texts.rejects.lead}</p>
        </div>
        <div className="row">
          <span className="hint">{texts.rejects.download}</span>
          <button type="button" className="button quiet" onClick={fetchFile('csv')}>
            {texts.rejects.csv}
          </button>
          <button type="button" className="button quiet" onClick={fetchFile('ndjson')}>
            {texts.rejects.ndjson}
          </button>
        </div>
      </header>
      {trouble && <Notice tone="bad" title={trouble} />}
      <p role="status" className={said ? 'said' : 'visually-hidden'}>
        {said}
      </p>
      {!rejects ? (
        <p className="hint loading">{texts.rejects.loading}</p>
      ) : (
        <>
          <div className="filters">
            <fieldset className="chips">
              <legend className="visually-hidden">{texts.rejects.reason}</legend>
              <Chip on={filter.code === ''} choose={() => setFilter({ ...filter, code: '' })} n={rejects.rows.length}>
                {texts.rejects.all}
              </Chip>
              {codes.map(([code, n]) => (
                <Chip key={code} on={filter.code === code} choose={() => setFilter({ ...filter, code })} n={n}>
                  {texts.codes[code] ?? code}
                </Chip>
              ))}
            </fieldset>
            <label className="inline-field">
              {texts.rejects.column}
              <select value={filter.column} onChange={(event) => setFilter({ ...filter, column: event.target.value })}>
                <option value="">{texts.rejects.anyColumn}</option>
                {columns
                  .filter(([name]) => name !== '')
                  .map(([name, n]) => (
                    <option key={name} value={name}>
                      {name} ({count(n)})
                    </option>
                  ))}
              </select>
            </label>
            <label className="inline-field">
              {texts.rejects.group}
              <select
                value={filter.group}
                onChange={(event) => setFilter({ ...filter, group: event.target.value as Group })}
              >
                {(['none', 'code', 'column'] as const).map((group) => (
                  <option key={group} value={group}>
                    {texts.rejects.groups[group]}
                  </option>
                ))}
              </select>
            </label>
            <input
              type="search"
              className="input search"
              placeholder={texts.rejects.search}
              aria-label={texts.rejects.searchIn}
              value={filter.search}
              onChange={(event) => setFilter({ ...filter, search: event.target.value })}
            />
          </div>
          <RejectsTable
            rows={shown}
            columns={rejects.columns}
            edits={edits}
            group={filter.group}
            edit={edit}
            open={setOpen}
          />
          {rejects.more && <p className="hint">{texts.rejects.first(MOST_REJECTS)}</p>}
        </>
      )}
      {edits.size > 0 && (
        <div className="tray">
          <button type="button" className="button primary" disabled={busy} onClick={replay}>
            {busy ? texts.rejects.replaying : texts.rejects.replay(edits.size)}
          </button>
          <button type="button" className="button quiet" disabled={busy} onClick={discard}>
            {texts.rejects.discard}
          </button>
        </div>
      )}
      {open && rejects && (
        <RecordDialog
          row={open}
          columns={rejects.columns}
          changes={edits.get(open.record)}
          keep={(changes) => edit(open, changes)}
          close={() => setOpen(undefined)}
        />
      )}
    </section>
  )
}

function Chip({ on, n, choose, children }: { on: boolean; n: number; choose: () => void; children: string }) {
  return (
    <button type="button" className="chip" aria-pressed={on} onClick={choose}>
      {children} <span className="chip-count">{count(n)}</span>
    </button>
  )
}

function tally(rows: RejectRow[], of: (row: RejectRow) => string): [string, number][] {
  const counts = new Map<string, number>()
  for (const row of rows) counts.set(of(row), (counts.get(of(row)) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])
}

function filtered(
  rows: RejectRow[],
  { code, column, search }: { code: string; column: string; search: string },
): RejectRow[] {
  const word = search.trim().toLowerCase()
  return rows.filter(
    (row) =>
      (code === '' || row.code === code) &&
      (column === '' || row.column === column) &&
      (word === '' ||
        row.message.toLowerCase().includes(word) ||
        `${row.line}` === word ||
        row.cells.some(({ text }) => text.toLowerCase().includes(word))),
  )
}
