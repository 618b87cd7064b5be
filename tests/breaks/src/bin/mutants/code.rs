//! Where things stand in a source, that mutants change.

use std::collections::BTreeMap;
use std::ops::Range;

use breaks::Failure;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// By the place where a mutant of it begins.
#[derive(Default)]
pub(crate) struct Code {
    /// Operators with two operands.
    pub(crate) binaries: BTreeMap<usize, [Range<usize>; 2]>,
    /// Operators before one.
    pub(crate) unaries: BTreeMap<usize, Range<usize>>,
    /// Arms, with what begins their expression, and the guard.
    pub(crate) arms: BTreeMap<usize, (usize, Option<Range<usize>>)>,
    /// Fields, with the expression that they are in.
    pub(crate) fields: BTreeMap<usize, Range<usize>>,
    /// Bodies of functions, by where the function ends.
    pub(crate) bodies: BTreeMap<usize, Range<usize>>,
    /// What is computed when it is compiled.
    pub(crate) constants: Vec<Range<usize>>,
}

impl Code {
    pub(crate) fn new(source: &str) -> Result<Self, Failure> {
        let mut code = Self::default();
        code.visit_file(&syn::parse_file(source)?);
        Ok(code)
    }

    /// The arm that begins there, or whose guard does.
    pub(crate) fn arm(&self, start: usize) -> Option<usize> {
        if self.arms.contains_key(&start) {
            return Some(start);
        }
        let is_guard =
            |guard: &Option<Range<usize>>| guard.as_ref().is_some_and(|it| it.start == start);
        let mut arms = self.arms.iter();
        Some(*arms.find(|(_, (_, guard))| is_guard(guard))?.0)
    }

    fn body(&mut self, block: &syn::Block) {
        let block = range(block);
        self.bodies
            .insert(block.end, block.start + 1..block.end - 1);
    }
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item_fn(&mut self, it: &'ast syn::ItemFn) {
        self.body(&it.block);
        visit::visit_item_fn(self, it);
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        self.body(&it.block);
        visit::visit_impl_item_fn(self, it);
    }

    fn visit_trait_item_fn(&mut self, it: &'ast syn::TraitItemFn) {
        if let Some(block) = &it.default {
            self.body(block);
        }
        visit::visit_trait_item_fn(self, it);
    }

    fn visit_expr_binary(&mut self, it: &'ast syn::ExprBinary) {
        let operands = [range(&it.left), range(&it.right)];
        self.binaries.insert(range(&it.op).start, operands);
        visit::visit_expr_binary(self, it);
    }

    fn visit_expr_unary(&mut self, it: &'ast syn::ExprUnary) {
        self.unaries.insert(range(&it.op).start, range(&it.expr));
        visit::visit_expr_unary(self, it);
    }

    fn visit_arm(&mut self, it: &'ast syn::Arm) {
        let arrow = range(&it.fat_arrow_token).start;
        let guard = it.guard.as_ref().map(|(_, guard)| range(guard));
        self.arms.insert(range(it).start, (arrow, guard));
        visit::visit_arm(self, it);
    }

    fn visit_expr_struct(&mut self, it: &'ast syn::ExprStruct) {
        for field in &it.fields {
            self.fields.insert(range(field).start, range(it));
        }
        visit::visit_expr_struct(self, it);
    }

    fn visit_item_const(&mut self, it: &'ast syn::ItemConst) {
        self.constants.push(range(&it.expr));
        visit::visit_item_const(self, it);
    }

    fn visit_item_static(&mut self, it: &'ast syn::ItemStatic) {
        self.constants.push(range(&it.expr));
        visit::visit_item_static(self, it);
    }

    fn visit_impl_item_const(&mut self, it: &'ast syn::ImplItemConst) {
        self.constants.push(range(&it.expr));
        visit::visit_impl_item_const(self, it);
    }

    fn visit_variant(&mut self, it: &'ast syn::Variant) {
        let value = it.discriminant.as_ref().map(|(_, value)| range(value));
        self.constants.extend(value);
        visit::visit_variant(self, it);
    }

    fn visit_expr_const(&mut self, it: &'ast syn::ExprConst) {
        self.constants.push(range(it));
        visit::visit_expr_const(self, it);
    }

    fn visit_type_array(&mut self, it: &'ast syn::TypeArray) {
        self.constants.push(range(&it.len));
        visit::visit_type_array(self, it);
    }

    fn visit_expr_repeat(&mut self, it: &'ast syn::ExprRepeat) {
        self.constants.push(range(&it.len));
        visit::visit_expr_repeat(self, it);
    }
}
