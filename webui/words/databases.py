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
        "The database {file} was written by a newer Seedprint (version {value}; this one knows {known}): start that"
        " one, or this one with another data folder (--data-dir).",
        "数据库 {file} 由更新版本的 Seedprint 写入（版本 {value}，本程序只识别到 {known}）：请启动那个版本，"
        "或用另一个数据文件夹启动本程序（--data-dir）。",
    ),
    "database_gone": (
        "The database {file} was gone while the program ran; it is written anew.",
        "数据库 {file} 在程序运行期间消失，已重新写入。",
    ),
    "database_replaced": (
        "Another file took the place of the database {file}. Close the program and start it again.",
        "数据库 {file} 已被另一个文件取代。请关闭程序后重新启动。",
    ),
    "database_renewed": (
        "The database {file} was damaged: it is kept beside, and begun anew with what could be read of it.",
        "数据库 {file} 已损坏：原文件保留在旁边，并用仍可读取的内容重新建立。",
    ),
    "database_kept": (
        "A database was damaged and has been begun anew with what could be read or made again; the old one is {file}.",
        "有一个数据库已损坏，已用仍可读取或可重新生成的内容重新建立；旧文件是 {file}。",
    ),
    "command_left": (
        "{pictures:,} finished pictures of a command that was killed wait for {folder}: the next page or command that"
        " saves there takes them in.",
        "有 {pictures:,} 张已完成的图片来自被强制结束的命令，等待保存到 {folder}："
        "下一次使用该文件夹的页面或命令会自动保存它们。",
    ),
    "second_program": (
        "Another Seedprint uses {folder} already: this one has a queue of its own, which goes on there when both have"
        " ended.",
        "另一个 Seedprint 已在使用 {folder}：本程序有自己的队列，两者都结束后，未完成的任务会在那里继续。",
    ),
}
