"""The pass over details, and what finds them: -> (English, 简体中文)."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "detail": ("Refine details", "细节修复"),
    "detail_on": ("Refine parts of the finished picture", "修复成图的局部"),
    "detail_info": (
        "Faces, hands, anything: each box is repainted by itself, larger",
        "人脸、手等：逐个放大后局部重绘",
    ),
    "detail_boxes": ("Where", "区域"),
    "detail_boxes_info": (
        "left,top,width,height; … in pixels, or shares of the picture up to 1. Empty: the detector looks",
        "左,上,宽,高；…… 以像素或不超过 1 的比例表示。留空则由检测器查找",
    ),
    "detail_detector": ("Detector", "检测器"),
    "detail_detector_none": ("None: the boxes above", "无：用上面的区域"),
    "detail_detector_info": (
        "D-FINE, RT-DETR, YOLOS, Grounding DINO and CLIPSeg of the models folder",
        "模型文件夹中的 D-FINE、RT-DETR、YOLOS、Grounding DINO 与 CLIPSeg",
    ),
    "detail_words": ("What it finds", "查找内容"),
    "detail_words_info": (
        "Commas between. Grounding DINO and CLIPSeg find any word, the others their own names; empty: all of these",
        "以逗号分隔。Grounding DINO 与 CLIPSeg 可查找任意词，其余只认自身的类别名；留空为全部类别",
    ),
    "detail_confidence": ("Sure by at least", "最低置信度"),
    "detail_most": ("At most", "最多数量"),
    "detail_most_info": ("The surest; 0: all", "取最可信的；0 表示全部"),
    "detail_prompt": ("Prompt of the details", "细节提示词"),
    "detail_prompt_info": ("Empty: as the picture's", "留空表示与图片相同"),
    "detail_negative_prompt": ("Negative prompt of the details", "细节反向提示词"),
    "detail_strength": ("Strength of the details", "细节重绘强度"),
    "detail_steps": ("Steps of the details", "细节步数"),
    "detail_steps_info": ("0: as the picture's", "0 表示与图片相同"),
    "detail_guidance": ("Guidance of the details", "细节引导强度"),
    "detail_guidance_info": ("0: as the picture's", "0 表示与图片相同"),
    "detail_grow": ("Grow the boxes", "扩展区域"),
    "detail_grow_info": ("Pixels", "像素"),
    "detail_blur": ("Blur their edges", "边缘模糊"),
    "detail_blur_info": ("Pixels", "像素"),
    "detail_padding": ("What is seen around", "周围留白"),
    "detail_padding_info": ("Pixels", "像素"),
    "detail_size": ("Worked on at", "工作尺寸"),
    "detail_size_info": ("Side of a square, pixels; 0: as suits the model", "正方形边长，像素；0 表示按模型"),
    "stage_detecting": ("Looking for what to refine", "查找需要修复的部分"),
    "kind_detector": ("Detector", "检测器"),
    "kind_segmenter": ("Selects by clicks", "点击选取"),
}

SENTENCES: dict[str, tuple[str, str]] = {
    "boxes_wanted": (
        "{field} must be boxes as 64,64,128,128 (left, top, width, height), a semicolon between two, at most {most},"
        " got {value}.",
        "{field}必须是 64,64,128,128（左、上、宽、高）这样的区域，以分号分隔，最多 {most} 个，现为 {value}。",
    ),
    "box_outside": (
        "{field} must lie within the picture, which is {size}, got {value}.",
        "{field}必须在图片（{size}）之内，现为 {value}。",
    ),
    "boxes_unsaid": (
        "{field} is empty: say which part is to be refined, or choose a detector that finds it.",
        "{field}为空：请写明要修复的部分，或选择检测器来查找。",
    ),
    "detector_missing": (
        "{field} must be a detector in the models folder ({choices}), got {value}.",
        "{field}必须是模型文件夹中的检测器（{choices}），现为 {value}。",
    ),
    "detector_words": (
        "{field}: {name} does not know {value}. It knows {choices}.",
        "{field}：{name} 不认识 {value}，它认识的是 {choices}。",
    ),
    "detector_wordless": (
        "{field} is empty: {name} finds whatever it is told, so say what, such as: face, left hand.",
        "{field}为空：{name} 查找您指定的内容，请写明，例如：face, left hand。",
    ),
    "detector_elsewhere": (
        "Its {name} takes a part of the network from a hub, and nothing is fetched from there.",
        "{name} 需要从模型站点获取网络的一部分，而本程序从不下载。",
    ),
    "details_none": (
        "{detector} found nothing to refine: the picture is as it was made.",
        "{detector} 没有找到需要修复的部分：图片保持原样。",
    ),
    "details_none_kept": (
        "Nothing was found to refine: the picture is as it was made.",
        "没有找到需要修复的部分：图片保持原样。",
    ),
    "role_detector": ("detector", "检测器"),
    "noun_detector": ("a detector", "检测器"),
    "noun_segmenter": ("a network that selects by clicks", "点击选取网络"),
    "segmenter_missing": (
        "To select by clicks, put a SAM 2 as transformers saves it, such as sam2.1-hiera-tiny, into a folder of its "
        "own in models/: model.safetensors and config.json.",
        "要点击选取，请把 transformers 格式的 SAM 2（例如 sam2.1-hiera-tiny）放入 models/ 下单独的文件夹："
        "model.safetensors 和 config.json。",
    ),
    "click_outside": (
        "A click at {x}, {y} lies outside of the picture of {width} × {height}.",
        "点击位置 {x}, {y} 在 {width} × {height} 的图片之外。",
    ),
    "clicked_again": ("Another click came after this one.", "这次点击之后又有了新的点击。"),
}
