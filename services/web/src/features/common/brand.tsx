/** The mark: two turns of talk that hold together. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent-fill" />
      <path
        d="M8 9.5h11a2.5 2.5 0 0 1 2.5 2.5v4a2.5 2.5 0 0 1-2.5 2.5h-6L9 21.5v-3H8A2.5 2.5 0 0 1 5.5 16v-4A2.5 2.5 0 0 1 8 9.5Z"
        className="fill-on-accent"
      />
      <path
        d="M24 14.2a2.5 2.5 0 0 1 2.5 2.4v3.9A2.5 2.5 0 0 1 24 23v2.7L20.6 23H15a2.5 2.5 0 0 1-2.2-1.3l1.3-1h5A4.9 4.9 0 0 0 24 15.8Z"
        className="fill-on-accent opacity-60"
      />
    </svg>
  );
}
