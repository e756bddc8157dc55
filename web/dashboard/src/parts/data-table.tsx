/** A table whose columns sort. */
import { useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { Icon } from "./icon";
import "./data-table.css";

/** A column; it sorts where `sortBy` says by what. */
export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly sortBy?: (row: Row) => number | string;
  /** Numbers stand at the end of their cells. */
  readonly numeric?: boolean;
  /** Columns that a narrow screen has no room for. */
  readonly wideOnly?: boolean;
  /** The column that names the row. */
  readonly rowHeader?: boolean;
}

/** By which column, and which way. */
export interface Sort {
  readonly key: string;
  readonly descending: boolean;
}

interface DataTableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Unset: in the order in which the rows come. */
  readonly initialSort?: Sort;
  readonly rowClass?: (row: Row) => string | undefined;
}

export function DataTable<Row>({ caption, columns, rows, rowKey, initialSort, rowClass }: DataTableProps<Row>): JSX.Element {
  const [sort, setSort] = useState(initialSort);
  const sorted = sortRows(rows, columns, sort);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <HeaderCell key={column.key} column={column} sort={sort} onSort={setSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={rowKey(row)} class={rowClass?.(row)}>
              {columns.map((column) => (
                <Cell key={column.key} column={column} row={row} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Rows in order; those that are equal stay as they came, and NaN comes last either way. */
export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined): readonly Row[] {
  const sortBy = columns.find((column) => column.key === sort?.key)?.sortBy;
  if (sort === undefined || sortBy === undefined) {
    return rows;
  }
  const direction = sort.descending ? -1 : 1;
  return [...rows].sort((one, other) => compare(sortBy(one), sortBy(other), direction));
}

function compare(one: number | string, other: number | string, direction: number): number {
  if (typeof one === "number" && typeof other === "number") {
    const unknown = Number(Number.isNaN(one)) - Number(Number.isNaN(other));
    return unknown === 0 ? direction * (one - other || 0) : unknown;
  }
  return direction * String(one).localeCompare(String(other), undefined, { numeric: true });
}

function HeaderCell<Row>(props: {
  column: Column<Row>;
  sort: Sort | undefined;
  onSort: (sort: Sort) => void;
}): JSX.Element {
  const { column, sort, onSort } = props;
  const current = sort?.key === column.key ? sort : undefined;
  const order = current === undefined ? "none" : current.descending ? "descending" : "ascending";
  if (column.sortBy === undefined) {
    return (
      <th scope="col" class={classOf(column)}>
        {column.title}
      </th>
    );
  }
  return (
    <th scope="col" class={classOf(column)} aria-sort={order}>
      <button
        type="button"
        class="table-sort"
        onClick={() => onSort({ key: column.key, descending: current === undefined ? column.numeric === true : !current.descending })}
      >
        {column.title}
        <span class="table-arrow" data-order={order}>
          <Icon name={order === "descending" ? "down" : "up"} size={12} />
        </span>
      </button>
    </th>
  );
}

function Cell<Row>({ column, row }: { column: Column<Row>; row: Row }): JSX.Element {
  return column.rowHeader === true ? (
    <th scope="row" class={classOf(column)}>
      {column.cell(row)}
    </th>
  ) : (
    <td class={classOf(column)}>{column.cell(row)}</td>
  );
}

function classOf<Row>(column: Column<Row>): string {
  return [column.numeric === true ? "numeric" : "", column.wideOnly === true ? "wide-only" : ""].filter(Boolean).join(" ");
}
