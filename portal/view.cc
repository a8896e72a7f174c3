// SPDX-License-Identifier: Apache-2.0
/* Templates by the mustache library, in the project's one C++ file. Exceptions stop at its
 * face. */
#include "portal/view.h"

#include <cerrno>
#include <dirent.h>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include <event2/buffer.h>
#include <kainjow/mustache.hpp>

using kainjow::mustache::data;
using kainjow::mustache::mustache;

struct views {
    std::map<std::string, std::string> partials;
    std::map<std::string, std::unique_ptr<mustache>> pages;
    std::unique_ptr<mustache> layout;
};

namespace
{

struct failure : std::runtime_error {
    int code;
    failure(int c, const std::string &what) : std::runtime_error(what), code(c)
    {
    }
};

const int partials_deep = 8; /* a partial within a partial …; more is a circle */

std::string read_text(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
        throw failure(-ENOENT, "template " + path + ": not found or empty");
    return text.str();
}

template <typename fn> void each_template(const std::string &folder, bool is_needed, fn use)
{
    static const std::string ending = ".mustache";
    std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir(folder.c_str()), closedir);
    if (!dir && !is_needed)
        return;
    if (!dir)
        throw failure(-ENOENT, "folder of templates " + folder + ": not found");
    while (const dirent *entry = readdir(dir.get())) {
        std::string file = entry->d_name;
        if (file.size() <= ending.size() || file[0] == '.' ||
            file.compare(file.size() - ending.size(), ending.size(), ending) != 0)
            continue;
        use(file.substr(0, file.size() - ending.size()), folder + "/" + file);
    }
}

std::string trim(const std::string &text)
{
    size_t first = text.find_first_not_of(" \t\r\n");
    size_t last = text.find_last_not_of(" \t\r\n");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/* Refuses unescaped tags and changed delimiters, and puts partials in their places. */
std::string resolve(const views &v, const std::string &path, const std::string &text,
                    bool is_layout, int deep)
{
    std::string out;
    size_t at = 0, open;
    if (deep > partials_deep)
        throw failure(-EINVAL, "template " + path + ": its partials contain each other");
    while ((open = text.find("{{", at)) != std::string::npos) {
        size_t close = text.find("}}", open);
        if (close == std::string::npos)
            throw failure(-EINVAL, "template " + path + ": a tag is not closed");
        std::string tag = trim(text.substr(open + 2, close - open - 2));
        out += text.substr(at, open - at);
        at = close + 2;
        if (is_layout && tag == "{content" && text.compare(close, 3, "}}}") == 0) {
            out += "{{{content}}}";
            at = close + 3;
        } else if (!tag.empty() && (tag[0] == '{' || tag[0] == '&' || tag[0] == '=')) {
            throw failure(-EINVAL, "template " + path + ": {{" + tag +
                                       "}} is not allowed; all "
                                       "output is escaped");
        } else if (!tag.empty() && tag[0] == '>') {
            auto part = v.partials.find(trim(tag.substr(1)));
            if (part == v.partials.end())
                throw failure(-ENOENT, "template " + path + ": partial \"" +
                                           trim(tag.substr(1)) + "\" not found");
            out += resolve(v, path, part->second, false, deep + 1);
        } else {
            out += text.substr(open, at - open);
        }
    }
    return out + text.substr(at);
}

std::unique_ptr<mustache> parse(const views &v, const std::string &path, bool is_layout)
{
    std::string text = resolve(v, path, read_text(path), is_layout, 0);
    auto parsed = std::make_unique<mustache>(text);
    if (!parsed->is_valid())
        throw failure(-EINVAL, "template " + path + ": " + parsed->error_message());
    return parsed;
}

data to_data(const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_STRING:
        if (json_string_length(j) == 0)
            return data(data::type::bool_false);
        return data(std::string(json_string_value(j), json_string_length(j)));
    case JSON_INTEGER:
        return data(std::to_string(json_integer_value(j)));
    case JSON_REAL: {
        std::ostringstream number;
        number << json_real_value(j);
        return data(number.str());
    }
    case JSON_ARRAY: {
        data list(data::type::list);
        for (size_t i = 0; i < json_array_size(j); i++)
            list.push_back(to_data(json_array_get(j, i)));
        return list;
    }
    case JSON_OBJECT: {
        data object(data::type::object);
        const char *key;
        json_t *value;
        json_object_foreach (const_cast<json_t *>(j), key, value)
            object.set(key, to_data(value));
        return object;
    }
    case JSON_TRUE:
        return data(data::type::bool_true);
    default:
        return data(data::type::bool_false);
    }
}

std::string render(mustache &page, const data &values)
{
    std::string text = page.render(values);
    if (!page.is_valid())
        throw failure(-EINVAL, page.error_message());
    return text;
}

/* Runs `body` and turns what it throws into an errno and a sentence. */
template <typename fn> int guarded(struct err *e, fn body) noexcept
{
    try {
        body();
        return 0;
    } catch (const failure &f) {
        return err_set(e, f.code, "%s", f.what());
    } catch (const std::bad_alloc &) {
        return err_set(e, -ENOMEM, "templates: out of memory");
    } catch (const std::exception &x) {
        return err_set(e, -EINVAL, "templates: %s", x.what());
    }
}

} // namespace

extern "C" int views_load(const char *folder, struct views **out, struct err *e)
{
    return guarded(e, [=] {
        auto v = std::make_unique<views>();
        std::string root = folder;
        using text = const std::string &;
        each_template(root + "/partials", false,
                      [&](text name, text path) { v->partials[name] = read_text(path); });
        each_template(root + "/pages", true, [&](text name, text path) {
            v->pages["pages/" + name] = parse(*v, path, false);
        });
        v->layout = parse(*v, root + "/layout.mustache", true);
        *out = v.release();
    });
}

extern "C" void views_free(struct views *v)
{
    delete v;
}

extern "C" bool views_has(const struct views *v, const char *page)
{
    bool found = false;
    guarded(nullptr, [&] { found = v->pages.count(page) > 0; });
    return found;
}

extern "C" int views_render(struct views *v, const char *page, const json_t *values,
                            struct evbuffer *out, struct err *e)
{
    return guarded(e, [=] {
        auto found = v->pages.find(page);
        if (found == v->pages.end())
            throw failure(-ENOENT, std::string("template ") + page + ": not found");
        data all = to_data(values);
        all.set("content", render(*found->second, all));
        std::string html = render(*v->layout, all);
        if (evbuffer_add(out, html.data(), html.size()) < 0)
            throw std::bad_alloc();
    });
}
