import { texts } from '../texts.ts'
import type { Column, Target } from './plan.ts'

const POLICIES = ['reject', 'skip', 'update'] as const

/** Where the rows go, and by which rules. */
export function TargetForm({ target, columns, set, saveProfile }: TargetProps) {
  const { target: words } = texts
  const taken = columns.filter(({ take }) => take)
  const [key = ''] = target.key
  return (
    <section className="panel target">
      <h2>{words.title}</h2>
      <label className="field">
        <span>{words.table}</span>
        <input
          className="input strong"
          value={target.table}
          aria-describedby="table-hint"
          onChange={(event) => set({ table: event.target.value })}
        />
        <small id="table-hint" className={target.table.trim() === '' && target.profile === '' ? 'bad' : ''}>
          {target.table.trim() === '' && target.profile === '' ? words.tableNeeded : words.tableHint}
        </small>
      </label>
      <label className="field">
        <span>{words.key}</span>
        <select value={key} onChange={(event) => set({ key: event.target.value === '' ? [] : [event.target.value] })}>
          <option value="">{words.noKey}</option>
          {taken.map(({ target: name, at }) => (
            <option key={at} value={name}>
              {name}
            </option>
          ))}
        </select>
        <small>{words.keyHint}</small>
      </label>
      {key !== '' && (
        <label className="field">
          <span>{words.duplicates}</span>
          <select
            value={target.onConflict}
            onChange={(event) => set({ onConflict: event.target.value as Target['onConflict'] })}
          >
            {POLICIES.map((policy) => (
              <option key={policy} value={policy}>
                {words.policies[policy]}
              </option>
            ))}
          </select>
        </label>
      )}
      <details>
        <summary>{words.more}</summary>
        <label className="field">
          <span>{words.profile}</span>
          <input className="input" value={target.profile} onChange={(event) => set({ profile: event.target.value })} />
          <small>{words.profileHint}</small>
        </label>
        <label className="field">
          <span>{words.maxErrors}</span>
          <input
            className="input"
            value={target.maxErrors}
            onChange={(event) => set({ maxErrors: event.target.value })}
          />
          <small>{words.maxErrorsHint}</small>
        </label>
        <label className="check">
          <input type="checkbox" checked={target.atomic} onChange={(event) => set({ atomic: event.target.checked })} />
          <span>{words.atomic}</span>
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={target.replace}
            onChange={(event) => set({ replace: event.target.checked })}
          />
          <span>
            {words.replace} <small>{words.replaceHint}</small>
          </span>
        </label>
        <button type="button" className="button quiet" onClick={saveProfile}>
          {words.save}
        </button>
      </details>
    </section>
  )
}

interface TargetProps {
  target: Target
  columns: Column[]
  set: (part: Partial<Target>) => void
  saveProfile: () => void
}
