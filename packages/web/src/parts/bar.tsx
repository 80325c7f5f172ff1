import { percent } from '../format.ts'

/** A bar with its name before and its figures behind it. */
export function Bar({ label, share, detail, busy = false }: BarProps) {
  const value = Math.min(1, Math.max(0, share))
  return (
    <div className="bar">
      <div className="bar-words">
        <span className="bar-label">{label}</span>
        <span className="bar-detail">{detail}</span>
        <span className="bar-share">{percent(value)}</span>
      </div>
      <div
        className="bar-track"
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(value * 100)}
        tabIndex={-1}
      >
        <div className={`bar-fill ${busy ? 'busy' : ''}`} style={{ width: `${value * 100}%` }} />
      </div>
    </div>
  )
}

interface BarProps {
  label: string
  /** 0 to 1. */
  share: number
  detail: string
  busy?: boolean
}
