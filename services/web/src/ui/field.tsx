"use client";

import { clsx as cx } from "clsx";
import { CircleAlert, Eye, EyeOff } from "lucide-react";
import { type ComponentProps, createContext, type ReactNode, use, useId, useState } from "react";

interface Wiring {
  id: string;
  describedBy: string | undefined;
  invalid: boolean;
}
const FieldContext = createContext<Wiring | null>(null);

/** A labelled control with its hint and its error, tied together for assistive technology. */
export function Field(props: { label: string; hint?: ReactNode; error?: string | undefined; children: ReactNode }) {
  const id = useId();
  const hintId = props.hint ? `${id}-hint` : undefined;
  const errorId = props.error ? `${id}-error` : undefined;
  const describedBy = [errorId, hintId].filter(Boolean).join(" ") || undefined;
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-medium text-sm">
        {props.label}
      </label>
      <FieldContext value={{ id, describedBy, invalid: errorId !== undefined }}>{props.children}</FieldContext>
      {props.error && (
        <p id={errorId} className="flex items-start gap-1.5 text-danger text-sm">
          <CircleAlert aria-hidden className="mt-px size-4 shrink-0" />
          {props.error}
        </p>
      )}
      {props.hint && (
        <p id={hintId} className="text-sm text-text-3">
          {props.hint}
        </p>
      )}
    </div>
  );
}

const CONTROL =
  "w-full min-w-0 rounded-md border border-line-strong bg-canvas text-text placeholder:text-text-3 aria-invalid:border-danger " +
  "disabled:opacity-60";

function useWiring() {
  const field = use(FieldContext);
  return field
    ? { id: field.id, "aria-describedby": field.describedBy, "aria-invalid": field.invalid || undefined }
    : {};
}

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input {...useWiring()} className={cx(CONTROL, "h-10 px-3", className)} {...rest} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea {...useWiring()} className={cx(CONTROL, "min-h-20 px-3 py-2", className)} {...rest} />;
}

/** The platform's own list: it is the best one on a phone, and with a screen reader. */
export function Select({ className, ...rest }: ComponentProps<"select">) {
  return <select {...useWiring()} className={cx(CONTROL, "h-10 px-2.5", className)} {...rest} />;
}

/** A password, which the reader may look at. */
export function PasswordInput(props: ComponentProps<"input"> & { showLabel: string; hideLabel: string }) {
  const { showLabel, hideLabel, className, ...rest } = props;
  const [shown, setShown] = useState(false);
  const Icon = shown ? EyeOff : Eye;
  return (
    <div className="relative">
      <Input type={shown ? "text" : "password"} className={cx("pe-11", className)} {...rest} />
      <button
        type="button"
        onClick={() => setShown(!shown)}
        aria-label={shown ? hideLabel : showLabel}
        className="absolute inset-y-1 end-1 inline-flex w-8 items-center justify-center rounded-sm text-text-2 hover:bg-hover"
      >
        <Icon aria-hidden className="size-4" />
      </button>
    </div>
  );
}

/** A choice among few, each with a word of explanation. */
export function RadioGroup<Value extends string>(props: {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  options: { value: Value; label: string; hint?: string }[];
}) {
  const name = useId();
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className="mb-1.5 font-medium text-sm">{props.label}</legend>
      {props.options.map((option) => (
        <label key={option.value} className="flex items-start gap-2.5 rounded-md px-2 py-1.5 hover:bg-hover">
          <input
            type="radio"
            name={name}
            checked={option.value === props.value}
            onChange={() => props.onChange(option.value)}
            className="mt-0.5 size-4.5 shrink-0 accent-accent-fill"
          />
          <span>
            {option.label}
            {option.hint && <span className="block text-sm text-text-3">{option.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

export function Checkbox(props: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label className="flex min-h-8 items-center gap-2.5">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.target.checked)}
        className="size-4.5 shrink-0 accent-accent-fill"
      />
      {props.label}
    </label>
  );
}
