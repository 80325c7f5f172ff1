import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import { count } from '../format.ts'
import { texts } from '../texts.ts'
import type { Edits, RejectRow } from './rejects.ts'

export type Group = 'none' | 'code' | 'column'

type Line = { kind: 'group'; name: string; n: number } | { kind: 'row'; row: RejectRow }

const ROW_HEIGHT = 52

/** The refused records; only those in sight are in the page, however many there are. */
export function RejectsTable({ rows, columns, edits, group, edit, open }: TableProps) {
  const box = useRef<HTMLDivElement>(null)
  const lines = useMemo(() => linesOf(rows, group), [rows, group])
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  })
  if (rows.length === 0) return <p className="empty-line">{texts.rejects.none}</p>
  return (
    <div className="rejects-table" role="table" aria-label={texts.rejects.title} aria-rowcount={lines.length + 1}>
      <div role="rowgroup">
        <div className="rejects-row rejects-head" role="row" aria-rowindex={1}>
          {[
            texts.rejects.line,
            texts.rejects.column,
            texts.rejects.value,
            texts.rejects.reason,
            texts.rejects.edit,
          ].map((name) => (
            <span key={name} role="columnheader">
              {name}
            </span>
          ))}
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keyboard */}
      <div className="rejects-scroll" ref={box} role="rowgroup" tabIndex={0}>
        <div className="rejects-all" role="presentation" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start, key }) => {
            const line = lines[index]!
            const place = { transform: `translateY(${start}px)`, height: ROW_HEIGHT }
            return line.kind === 'group' ? (
              <div key={key} className="rejects-row rejects-group" role="row" aria-rowindex={index + 2} style={place}>
                <span role="cell">
                  {line.name} <span className="chip-count">{count(line.n)}</span>
                </span>
              </div>
            ) : (
              <div key={key} className="rejects-row" role="row" aria-rowindex={index + 2} style={place}>
                <Row row={line.row} columns={columns} changes={edits.get(line.row.record)} edit={edit} open={open} />
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

interface TableProps {
  rows: RejectRow[]
  columns: string[]
  edits: Edits
  group: Group
  edit: (row: RejectRow, changes: ReadonlyMap<number, string>) => void
  open: (row: RejectRow) => void
}

function Row({ row, columns, changes, edit, open }: RowProps) {
  const index = row.isWhole ? -1 : columns.indexOf(row.column)
  const text = changes?.get(index) ?? row.cells[index]?.text ?? ''
  return (
    <>
      <span role="cell" className="number">
        {count(row.line)}
      </span>
      <span role="cell" className="rejects-column" title={row.column}>
        {row.column || <em>{texts.rejects.whole}</em>}
      </span>
      <span role="cell">
        {index < 0 ? (
          <mark className="raw">
            {row.cells
              .map((cell) => cell.text)
              .join(' ')
              .trim() || texts.rejects.empty}
          </mark>
        ) : (
          <input
            className={`cell-input ${changes?.has(index) ? 'changed' : ''}`}
            aria-label={texts.rejects.valueOf(row.column, row.line)}
            value={text}
            placeholder={texts.rejects.empty}
            onChange={(event) => edit(row, new Map(changes).set(index, event.target.value))}
          />
        )}
      </span>
      <span role="cell" className="rejects-reason" title={row.message}>
        {changes ? <span className="good">{texts.rejects.corrected}</span> : row.message}
      </span>
      <span role="cell">
        <button
          type="button"
          className="button small"
          aria-label={texts.rejects.editOf(row.line)}
          onClick={() => open(row)}
        >
          {texts.rejects.edit}
        </button>
      </span>
    </>
  )
}

interface RowProps extends Pick<TableProps, 'columns' | 'edit' | 'open'> {
  row: RejectRow
  changes: ReadonlyMap<number, string> | undefined
}

function linesOf(rows: RejectRow[], group: Group): Line[] {
  if (group === 'none') return rows.map((row) => ({ kind: 'row', row }))
  const groups = Map.groupBy(rows, (row) => row[group])
  return [...groups].flatMap(([name, members]): Line[] => {
    const shown = group === 'code' ? (texts.codes[name] ?? name) : name || texts.rejects.whole
    return [{ kind: 'group', name: shown, n: members.length }, ...members.map((row): Line => ({ kind: 'row', row }))]
  })
}
