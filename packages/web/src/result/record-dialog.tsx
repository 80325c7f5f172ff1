import { useEffect, useRef, useState } from 'react'
import { texts } from '../texts.ts'
import type { RejectRow } from './rejects.ts'

/** All cells of a refused record, to be corrected. */
export function RecordDialog({ row, columns, changes, keep, close }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [draft, setDraft] = useState(new Map(changes))
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="record-title" onClose={close}>
      <form
        method="dialog"
        onSubmit={() => {
          keep(draft)
        }}
      >
        <h2 id="record-title">{texts.rejects.dialog(row.line)}</h2>
        <p className="dialog-reason">{row.message}</p>
        <div className="dialog-cells">
          {row.isWhole && (
            <label className="field bad dialog-whole">
              <span>{texts.rejects.asItStands}</span>
              <textarea
                className={`input ${draft.has(0) ? 'changed' : ''}`}
                rows={5}
                value={draft.get(0) ?? row.cells[0]!.text}
                onChange={(event) => setDraft(new Map(draft).set(0, event.target.value))}
              />
            </label>
          )}
          {!row.isWhole &&
            columns
              .map((name, at) => ({ name, at }))
              .map(({ name, at: i }) => (
                <label key={i} className={name === row.column ? 'field bad' : 'field'}>
                  <span>{name}</span>
                  <input
                    className={`input ${draft.has(i) ? 'changed' : ''}`}
                    value={draft.get(i) ?? row.cells[i]?.text ?? ''}
                    placeholder={texts.rejects.empty}
                    onChange={(event) => setDraft(new Map(draft).set(i, event.target.value))}
                  />
                </label>
              ))}
        </div>
        <div className="dialog-actions">
          <button type="button" className="button quiet" onClick={() => dialog.current?.close()}>
            {texts.rejects.close}
          </button>
          <button type="submit" className="button primary">
            {texts.rejects.save}
          </button>
        </div>
      </form>
    </dialog>
  )
}

interface DialogProps {
  row: RejectRow
  columns: string[]
  changes: ReadonlyMap<number, string> | undefined
  keep: (changes: ReadonlyMap<number, string>) => void
  close: () => void
}
