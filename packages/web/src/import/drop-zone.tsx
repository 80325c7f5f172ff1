import { useEffect, useRef, useState } from 'react'
import { texts } from '../texts.ts'

/** Where a file comes in: dropped anywhere on the page, or chosen. */
export function DropZone({ take }: { take: (file: File) => void }) {
  const [over, setOver] = useState(false)
  const input = useRef<HTMLInputElement>(null)

  useEffect(() => {
    const drag = (event: DragEvent): void => {
      event.preventDefault()
      setOver(event.type !== 'dragleave' || event.relatedTarget !== null)
    }
    const drop = (event: DragEvent): void => {
      event.preventDefault()
      setOver(false)
      const file = event.dataTransfer?.files[0]
      if (file) take(file)
    }
    addEventListener('dragover', drag)
    addEventListener('dragleave', drag)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragover', drag)
      removeEventListener('dragleave', drag)
      removeEventListener('drop', drop)
    }
  }, [take])

  return (
    <div className={`drop ${over ? 'over' : ''}`}>
      <Gates />
      <p className="drop-action">
        <button type="button" className="button primary large" onClick={() => input.current?.click()}>
          {texts.drop.action}
        </button>
        <span>{over ? texts.drop.release : texts.drop.or}</span>
      </p>
      <p className="hint">{texts.drop.kinds}</p>
      <input
        ref={input}
        type="file"
        className="visually-hidden"
        tabIndex={-1}
        aria-label={texts.drop.action}
        onChange={(event) => {
          const file = event.target.files?.[0]
          if (file) take(file)
        }}
      />
    </div>
  )
}

/** Rows on their way through a gate: some stay in front of it. */
function Gates() {
  const levels = [34, 58, 46, 72, 40, 64, 52, 78, 44, 60, 38, 70].map((level, i) => ({
    x: 10 + i * 20,
    level,
    held: i % 5 === 3,
  }))
  return (
    <svg className="gates" viewBox="0 0 240 84" aria-hidden="true">
      {levels.map(({ x, level, held }) => (
        <g key={x}>
          <path className="gate" d={`M${x} 5V79`} />
          <path className={held ? 'water held' : 'water'} d={`M${x} ${84 - level}V79`} />
        </g>
      ))}
    </svg>
  )
}
