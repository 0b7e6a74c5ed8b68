//! Makes the interpreter's live objects findable, so that its garbage collector can run in the middle of a program as on
//! a board.
//!
//! A board's collector looks for pointers in the processor's registers and on the C stack. In WebAssembly the former
//! are locals that nothing can look at, which is why the official build collects only between two executions: with a heap
//! of fixed size a loop that does arithmetic would die within a second. So before every call that can lead to a
//! collection, code is inserted here that lays the caller's integers down on the C stack, where [`collect`] finds them.
//! Because they are on the C stack, `longjmp` discards them and MicroPython's check of the stack's depth counts them.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, TypeRef, ValType,
    ValidPayload, Validator, ValidatorResources, WasmModuleResources as _,
};

use super::patch::{Body, address, push_number};

/// `gc_collect` and what it calls.
pub(super) const COLLECT: u32 = 1278;
const MARK: u32 = 78;
const SWEEP: u32 = 80;

const STACK_POINTER_GLOBAL: u32 = 0;
/// The C stack grows from here to address 0.
const STACK_TOP: i32 = 65_536;

const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;

type Result<T> = std::result::Result<T, wasmparser::BinaryReaderError>;

/// `gc_collect`: marks what the roots and the Python frames reach, then, by passing it off as Python frames, what the C
/// stack reaches. Marking resets the note that its own stack was too small, so that is kept.
pub(super) fn collect() -> Body {
    let [start, end, overflow] = [0, 1, 2];
    Body::new(3)
        .call(MARK)
        .load(address::FRAMES_START)
        .set(start)
        .load(address::FRAMES_END)
        .set(end)
        .load(address::MARK_OVERFLOW)
        .set(overflow)
        .constant(address::FRAMES_START as i32)
        .global(STACK_POINTER_GLOBAL)
        .store()
        .constant(address::FRAMES_END as i32)
        .constant(STACK_TOP)
        .store()
        .call(MARK)
        .constant(address::FRAMES_START as i32)
        .local(start)
        .store()
        .constant(address::FRAMES_END as i32)
        .local(end)
        .store()
        .constant(address::MARK_OVERFLOW as i32)
        .load(address::MARK_OVERFLOW)
        .local(overflow)
        .or()
        .store()
        .call(SWEEP)
        .end()
}

/// Returns the module's code section with the code inserted.
pub(super) fn spill(module: &[u8]) -> Result<Vec<u8>> {
    let mut validator = Validator::new();
    let mut functions = Vec::new();
    let mut imports = 0;
    let mut callers_of_anything = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ImportSection(section) = &payload {
            for import in section.clone() {
                let import = import?;
                if matches!(import.ty, TypeRef::Func(_)) {
                    if import.name.starts_with("invoke_") {
                        callers_of_anything.push(imports);
                    }
                    imports += 1;
                }
            }
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            functions.push((function, body));
        }
    }
    let collecting = collecting(callers_of_anything, &functions)?;
    let mut section = Vec::with_capacity(module.len());
    push_number(&mut section, functions.len() as u32);
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in functions {
        let new;
        let body = if collecting.contains(&function.index) && function.index != COLLECT {
            let mut spiller = Spiller::new(&collecting, function.into_validator(allocations));
            new = spiller.rewrite(&body)?;
            allocations = spiller.types.into_allocations();
            &new
        } else {
            body.as_bytes()
        };
        push_number(&mut section, body.len() as u32);
        section.extend_from_slice(body);
    }
    Ok(section)
}

type Function<'a> = (FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// The functions that may lead to a collection: those that call it, or call anything through a pointer (as the host's
/// `invoke_` functions do), or call one of those.
fn collecting(callers_of_anything: Vec<u32>, functions: &[Function<'_>]) -> Result<BTreeSet<u32>> {
    let mut callers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut found = callers_of_anything;
    found.push(COLLECT);
    for (function, body) in functions {
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Call { function_index } => callers.entry(function_index).or_default().push(function.index),
                Operator::CallIndirect { .. } => found.push(function.index),
                _ => {}
            }
        }
    }
    let mut collecting = BTreeSet::new();
    while let Some(function) = found.pop() {
        if collecting.insert(function) {
            found.extend(callers.get(&function).into_iter().flatten());
        }
    }
    Ok(collecting)
}

/// Rewrites one function.
struct Spiller<'a> {
    collecting: &'a BTreeSet<u32>,
    types: FuncValidator<ValidatorResources>,
    /// Copies of operands, by their height on the operand stack and type: operands are as invisible as locals are, and
    /// only locals can be stored without taking them off the stack.
    copies: BTreeMap<(usize, ValType), u32>,
    locals: Vec<ValType>,
    code: Vec<u8>,
}

impl<'a> Spiller<'a> {
    fn new(collecting: &'a BTreeSet<u32>, types: FuncValidator<ValidatorResources>) -> Self {
        Self { collecting, types, copies: BTreeMap::new(), locals: Vec::new(), code: Vec::new() }
    }

    fn rewrite(&mut self, body: &FunctionBody<'_>) -> Result<Vec<u8>> {
        let mut reader = body.get_binary_reader();
        self.types.read_locals(&mut reader)?;
        let locals = 0..self.types.len_locals();
        self.locals = locals.filter_map(|index| self.types.get_local_type(index)).collect();
        let own = self.locals.len();
        let frame = self.new_local(ValType::I32);

        // What is to be stored around a call is known only when every operand that needs a copy has been met.
        let mut pieces: Vec<(Vec<u8>, &[u8])> = Vec::new();
        while !reader.eof() {
            let at = reader.original_position();
            let mut ahead = reader.clone();
            let operator = ahead.read_operator()?;
            let bytes = reader.read_bytes(ahead.original_position() - at)?;
            let spilled = self.reachable() && self.prepare(&operator);
            self.types.op(at, &operator)?;
            if spilled {
                pieces.push((std::mem::take(&mut self.code), bytes));
            } else {
                self.code.extend_from_slice(bytes);
            }
        }
        let tail = std::mem::take(&mut self.code);

        let (before, after) = self.spill(frame);
        let mut out = Vec::new();
        self.declare_locals(&mut out, body, own)?;
        for (piece, call) in pieces {
            for part in [&piece[..], &before, call, &after] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(&tail);
        Ok(out)
    }

    fn reachable(&self) -> bool {
        self.types.get_control_frame(0).is_some_and(|frame| !frame.unreachable)
    }

    /// Copies the operands that nothing inside of `operator` could reach; says whether it is a call to spill for.
    fn prepare(&mut self, operator: &Operator<'_>) -> bool {
        let (consumed, is_call) = match operator {
            Operator::Block { .. } | Operator::Loop { .. } => (0, false),
            Operator::If { .. } => (1, false),
            Operator::Call { function_index } if self.collecting.contains(function_index) => {
                let ty = self.types.resources().type_index_of_function(*function_index);
                (ty.map_or(0, |ty| self.parameters(ty)), true)
            }
            Operator::CallIndirect { type_index, .. } => (self.parameters(*type_index) + 1, true),
            _ => return false,
        };
        let base = self.types.get_control_frame(0).map_or(0, |frame| frame.height);
        let height = self.types.operand_stack_height() as usize;
        if height.saturating_sub(base) > consumed {
            self.copy_operands(height, height - base);
        }
        is_call
    }

    fn parameters(&self, ty: u32) -> usize {
        self.types.resources().sub_type_at(ty).map_or(0, |ty| ty.unwrap_func().params().len())
    }

    /// Takes operands off the stack, into locals, and puts them back.
    fn copy_operands(&mut self, height: usize, count: usize) {
        let mut copies = Vec::new();
        for depth in 0..count {
            let Some(Some(ty)) = self.types.get_operand_type(depth) else { break };
            let place = (height - 1 - depth, ty);
            let local = match self.copies.get(&place) {
                Some(local) => *local,
                None => {
                    let local = self.new_local(ty);
                    self.copies.insert(place, local);
                    local
                }
            };
            copies.push(local);
        }
        for local in &copies {
            self.code.push(LOCAL_SET);
            push_number(&mut self.code, *local);
        }
        for local in copies.iter().rev() {
            self.code.push(LOCAL_GET);
            push_number(&mut self.code, *local);
        }
    }

    fn new_local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    /// The code before and after each call.
    fn spill(&self, frame: u32) -> (Vec<u8>, Vec<u8>) {
        let mut stores = Body::new(0);
        let mut offset = 0;
        for (local, ty) in (0..).zip(&self.locals) {
            // A pair of pointers may travel in one integer.
            offset += match ty {
                ValType::I32 if local != frame => {
                    stores = stores.local(frame).local(local).store_at(offset);
                    4
                }
                ValType::I64 => {
                    stores = stores.local(frame).local(local).store_wide_at(offset);
                    8
                }
                _ => 0,
            };
        }
        let size = (offset as i32 + 15) & !15;
        let before =
            Body::new(0).global(STACK_POINTER_GLOBAL).constant(size).sub().tee(frame).set_global(STACK_POINTER_GLOBAL);
        let after = Body::new(0).local(frame).constant(size).add().set_global(STACK_POINTER_GLOBAL);
        ([before.code(), stores.code()].concat(), after.code().to_vec())
    }

    fn declare_locals(&self, out: &mut Vec<u8>, body: &FunctionBody<'_>, own: usize) -> Result<()> {
        let parameters = own
            - body
                .get_locals_reader()?
                .into_iter()
                .try_fold(0, |sum, group| group.map(|(count, _)| sum + count as usize))?;
        let declared = self.locals.get(parameters..).unwrap_or_default();
        push_number(out, declared.len() as u32);
        for ty in declared {
            out.push(1);
            out.push(match ty {
                ValType::I32 => 0x7f,
                ValType::I64 => 0x7e,
                ValType::F32 => 0x7d,
                _ => 0x7c,
            });
        }
        Ok(())
    }
}
