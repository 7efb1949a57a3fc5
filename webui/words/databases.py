"""What is wrong with a database of ours: code -> (English, 简体中文)."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    "database_closed": ("The database {file} cannot be opened: {reason}.", "无法打开数据库 {file}：{reason}。"),
    "database_busy": (
        "Another program holds the database {file}.",
        "数据库 {file} 正被其他程序占用。",
    ),
    "database_full": (
        "The disk of the database {file} is full.",
        "数据库 {file} 所在磁盘已满。",
    ),
    "database_failed": ("The database {file} failed: {reason}.", "数据库 {file} 出错：{reason}。"),
    "database_newer": (
        "The database {file} was written by a newer Seedprint (version {value}; this one knows {known}).",
        "数据库 {file} 由更新版本的 Seedprint 写入（版本 {value}，本程序只识别到 {known}）。",
    ),
    "database_damaged": (
        "The database {file} cannot be read, and too many damaged copies lie beside it already.",
        "无法读取数据库 {file}，且旁边已有太多损坏的副本。",
    ),
}
